/** Brace expansion as a shell does it: `{a,b}`, `{1..3}`, also nested. */

const RANGE = /^(-?\d{1,9})\.\.(-?\d{1,9})(?:\.\.(-?\d{1,9}))?$/;
const LETTERS = /^([A-Za-z])\.\.([A-Za-z])(?:\.\.(-?\d{1,9}))?$/;

/** The texts that `text` expands to, in the shell's order. Undefined when there are more than `max`. */
export function expandBraces(text: string, max: number): string[] | undefined {
  let done: string[] = [""];
  let rest = text;
  while (rest !== "") {
    const found = firstGroup(rest);
    if (found === undefined) return done.map((before) => before + rest);
    const { begin, end, parts } = found;
    const choices: string[] = [];
    for (const part of parts) {
      const inner = expandBraces(part, max);
      if (inner === undefined) return undefined;
      choices.push(...inner);
      if (choices.length > max) return undefined;
    }
    if (done.length * choices.length > max) return undefined;
    const plain = rest.slice(0, begin);
    done = done.flatMap((before) => choices.map((choice) => before + plain + choice));
    rest = rest.slice(end);
  }
  return done;
}

interface Group {
  readonly begin: number;
  readonly end: number;
  readonly parts: readonly string[];
}

/** The first braces that expand to something. A shell takes other braces literally. */
function firstGroup(text: string): Group | undefined {
  const closing = closingBraces(text);
  for (const [begin, group] of closing) {
    const inside = text.slice(begin + 1, group.end - 1);
    if (group.commas.length > 0) {
      const starts = [begin, ...group.commas];
      const parts = [...group.commas, group.end - 1].map((end, index) => text.slice((starts[index] ?? 0) + 1, end));
      return { begin, end: group.end, parts };
    }
    const range = rangeOf(inside);
    if (range !== undefined) return { begin, end: group.end, parts: range };
  }
  return undefined;
}

/**
 * For each brace pair, in the order of the text: position of the opening brace, end of the pair, and the commas at its
 * own level.
 */
function closingBraces(text: string): [number, { end: number; commas: number[] }][] {
  const open: { begin: number; commas: number[] }[] = [];
  const closed: [number, { end: number; commas: number[] }][] = [];
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === "{") open.push({ begin: at, commas: [] });
    if (character === ",") open.at(-1)?.commas.push(at);
    const last = character === "}" ? open.pop() : undefined;
    if (last !== undefined) closed.push([last.begin, { end: at + 1, commas: last.commas }]);
  }
  return closed.sort(([one], [other]) => one - other);
}

/** Above the `max` of every caller: a longer range is truncated here, and the caller's `max` then refuses it. */
const RANGE_MAX = 100_000;

function rangeOf(inside: string): string[] | undefined {
  const numbers = RANGE.exec(inside);
  const letters = numbers === null ? LETTERS.exec(inside) : null;
  const found = numbers ?? letters;
  if (found === null) return undefined;
  const [from, to] = found.slice(1, 3).map((bound) => (numbers === null ? (bound ?? "").charCodeAt(0) : Number(bound)));
  if (from === undefined || to === undefined) return undefined;
  const step = Math.max(1, Math.abs(Number(found[3] ?? 1)));
  const length = Math.min(Math.floor(Math.abs(to - from) / step) + 1, RANGE_MAX);
  const values = Array.from({ length }, (_, index) => from + Math.sign(to - from) * step * index);
  return values.map((value) => (numbers === null ? String.fromCharCode(value) : String(value)));
}

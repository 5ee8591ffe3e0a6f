/**
 * Brace expansion as a shell does it: `{a,b}`, `{1..3}`, also nested. The text is parsed once into a tree, and the expansion
 * stops at the caller's bound, so the work is bounded by the length of the text and by that bound.
 */

/** A piece of text: literal text, or alternatives that it expands to, each of which is again a sequence of pieces. */
type Piece = string | { readonly alternatives: readonly Sequence[] };
type Sequence = readonly Piece[];

/** Each level copies the alternatives below it. No path examined had more than two levels. */
export const BRACE_DEPTH_MAX = 32;

/**
 * The texts that `text` expands to, in the shell's order. Undefined when there are more than `max`, or more than
 * BRACE_DEPTH_MAX braces are open at once.
 */
export function expandBraces(text: string, max: number): string[] | undefined {
  return isTooDeep(text) ? undefined : expandSequence(parse(text, max), max);
}

function isTooDeep(text: string): boolean {
  let depth = 0;
  for (const character of text) {
    if (character === "{") depth += 1;
    else if (character === "}") depth = Math.max(0, depth - 1);
    if (depth > BRACE_DEPTH_MAX) return true;
  }
  return false;
}

function expandSequence(sequence: Sequence, max: number): string[] | undefined {
  let done: string[] = [""];
  for (const piece of sequence) {
    const choices = typeof piece === "string" ? [piece] : expandAlternatives(piece.alternatives, max);
    if (choices === undefined || done.length * choices.length > max) return undefined;
    done = done.flatMap((before) => choices.map((choice) => before + choice));
  }
  return done;
}

function expandAlternatives(alternatives: readonly Sequence[], max: number): string[] | undefined {
  const choices: string[] = [];
  for (const alternative of alternatives) {
    const expanded = expandSequence(alternative, max);
    if (expanded === undefined || choices.length + expanded.length > max) return undefined;
    for (const text of expanded) choices.push(text);
  }
  return choices;
}

/** An opening brace that is not closed yet: the pieces of its current part, and the parts before the last comma. */
interface Open {
  readonly parts: Sequence[];
  readonly begin: number;
  pieces: Piece[];
}

/** A brace pair with neither a comma of its own nor a range in it is literal text, but pairs inside of it are not. */
function parse(text: string, max: number): Sequence {
  const open: Open[] = [{ parts: [], begin: -1, pieces: [] }];
  const append = (piece: Piece): void => {
    const pieces = open.at(-1)?.pieces ?? [];
    const last = pieces.at(-1);
    if (typeof piece === "string" && typeof last === "string") pieces[pieces.length - 1] = last + piece;
    else pieces.push(piece);
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    const current = open.at(-1);
    if (character === "{") open.push({ parts: [], begin: at, pieces: [] });
    else if (character === "," && current !== undefined && open.length > 1) {
      current.parts.push(current.pieces);
      current.pieces = [];
    } else if (character === "}" && current !== undefined && open.length > 1) {
      open.pop();
      for (const piece of closed(current, text.slice(current.begin + 1, at), max)) append(piece);
    } else append(character);
  }
  return withUnclosed(open);
}

/** An opening brace that nothing closes is literal text. */
function withUnclosed(open: readonly Open[]): Sequence {
  return open.flatMap(({ parts, pieces }, depth) => [...(depth === 0 ? [] : ["{"]), ...separated([...parts, pieces])]);
}

function closed({ parts, pieces }: Open, inside: string, max: number): Piece[] {
  if (parts.length > 0) return [{ alternatives: [...parts, pieces] }];
  const range = rangeOf(inside, max);
  // A range of one value is literal text: then each piece with alternatives has two at least, and few fit into `max`.
  if (range?.length === 1) return range;
  if (range !== undefined) return [{ alternatives: range.map((value) => [value]) }];
  return ["{", ...pieces, "}"];
}

/** The parts of an unclosed brace are literal text again, with their commas. */
function separated(parts: readonly Sequence[]): Piece[] {
  return parts.flatMap((part, index) => (index === 0 ? [...part] : [",", ...part]));
}

const RANGE = /^(-?\d{1,9})\.\.(-?\d{1,9})(?:\.\.(-?\d{1,9}))?$/;
const LETTERS = /^([A-Za-z])\.\.([A-Za-z])(?:\.\.(-?\d{1,9}))?$/;
/** `-999999999..-999999999..-999999999` */
const RANGE_MAX_CHARS = 34;

/** One value more than `max` at most, which is enough to refuse it. */
function rangeOf(inside: string, max: number): string[] | undefined {
  if (inside.length > RANGE_MAX_CHARS) return undefined;
  const numbers = RANGE.exec(inside);
  const found = numbers ?? LETTERS.exec(inside);
  if (found === null) return undefined;
  const [from, to] = found.slice(1, 3).map((bound) => (numbers === null ? (bound ?? "").charCodeAt(0) : Number(bound)));
  if (from === undefined || to === undefined) return undefined;
  const step = Math.max(1, Math.abs(Number(found[3] ?? 1)));
  const length = Math.min(Math.floor(Math.abs(to - from) / step) + 1, max + 1);
  const values = Array.from({ length }, (_, index) => from + Math.sign(to - from) * step * index);
  return values.map((value) => (numbers === null ? String.fromCharCode(value) : String(value)));
}

/**
 * Splits a Dockerfile into instructions as buildah does (1.39: openshift/imagebuilder). Each statement about buildah
 * here was tested with it (test/integration/recipe/recipe-parsing.full.test.ts).
 */

export interface Instruction {
  /** Line number of the first line, from 0. */
  readonly line: number;
  /** In lower case. */
  readonly name: string;
  /** Verbatim: `--from=build`. */
  readonly flags: readonly string[];
  /** The elements of the JSON array, if the instruction has one; else the texts between blanks, with their quotes. */
  readonly words: readonly string[];
  /** The text after name and flags. */
  readonly rest: string;
}

/** Instructions that may have here-documents. */
const TAKES_HEREDOCS = new Set(["add", "copy", "run"]);
const ESCAPE = /^#[ \t]*escape[ \t]*=[ \t]*([\\`])/i;
const HEREDOC = /^\d*<<(-?)([^<]+)$/;

export function instructionsOf(text: string): Instruction[] {
  const lines = text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .map((line) => line.replace(/\r$/, ""));
  // Only the first line counts: buildah takes an escape directive after another directive for a comment.
  const continues = ESCAPE.exec(lines[0] ?? "")?.[1] === "`" ? /`[ \t]*$/ : /\\[ \t]*$/;
  const instructions: Instruction[] = [];
  for (let at = 0; at < lines.length; ) {
    const { joined, next } = joinedLine(lines, at, continues);
    const instruction = joined === "" ? undefined : instructionOf(joined, at);
    at = next;
    if (instruction === undefined) continue;
    instructions.push(instruction);
    if (takesHeredocs(instruction)) at = afterHeredocs(instruction.rest, lines, at);
  }
  return instructions;
}

/** Joins continued lines and skips comments and empty lines between them. `next`: the first line after them. */
function joinedLine(lines: readonly string[], begin: number, continues: RegExp): { joined: string; next: number } {
  let joined = (lines[begin] ?? "").trimStart().replace(/^#.*/, "");
  let next = begin + 1;
  let open = continues.test(joined);
  joined = joined.replace(continues, "");
  for (; open && next < lines.length; next += 1) {
    const line = lines[next] ?? "";
    if (/^\s*(#|$)/.test(line)) continue;
    open = continues.test(line);
    joined += line.replace(continues, "");
  }
  return { joined: joined.trim(), next };
}

function instructionOf(joined: string, line: number): Instruction {
  const [, name = "", all = ""] = /^(\S+)\s*(.*)$/s.exec(joined) ?? [];
  const { flags, rest } = splitFlags(all);
  return { line, name: name.toLowerCase(), flags, words: arrayOf(rest) ?? rest.split(/\s+/), rest };
}

/** Flags end at the first word that does not begin with two hyphens. Quotes and backslashes keep a flag together. */
function splitFlags(text: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let rest = text;
  for (;;) {
    const [flag] = /^--(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s\\"'])+/s.exec(rest) ?? [];
    if (flag === undefined) return { flags, rest };
    flags.push(flag);
    rest = rest.slice(flag.length).trimStart();
  }
}

/**
 * The elements of a JSON array of strings. Text after the array is ignored. Undefined when `text` has no such array.
 */
function arrayOf(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text.slice(0, text.lastIndexOf("]") + 1));
    return Array.isArray(value) && value.every((word) => typeof word === "string") ? value : undefined;
  } catch {
    return undefined;
  }
}

function takesHeredocs({ name, rest }: Instruction): boolean {
  return TAKES_HEREDOCS.has(name) && arrayOf(rest) === undefined;
}

/** The line after the last here-document of an instruction. A fully quoted word starts none: `echo "<<EOF"`. */
function afterHeredocs(rest: string, lines: readonly string[], begin: number): number {
  let at = begin;
  for (const word of rest.match(/(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s\\"'])+/gs) ?? []) {
    const [, tabs, name] = HEREDOC.exec(word) ?? [];
    if (name === undefined) continue;
    const terminator = name.replace(/["']/g, "");
    const end = lines.findIndex(
      (line, index) => index >= at && (tabs ? line.replace(/^\t+/, "") : line) === terminator,
    );
    // Without a terminator line it is no here-document, and buildah refuses the file.
    if (end >= 0) at = end + 1;
  }
  return at;
}

/** True for `<<EOF`: the content follows in the Dockerfile itself. */
export const isHeredoc = (word: string): boolean => HEREDOC.test(word);

/**
 * The text of a Dockerfile cut into instructions, as buildah parses it (1.39: openshift/imagebuilder). What is said here was
 * tried with it (test/integration/recipe/recipe-parsing.full.test.ts).
 */

export interface Instruction {
  /** From 0. */
  readonly line: number;
  /** In lower case. */
  readonly name: string;
  /** `--from=build`, as they are written. */
  readonly flags: readonly string[];
  /** The words of the JSON array, where there is one; else what stands between blanks, quotes and all. */
  readonly words: readonly string[];
  readonly rest: string;
}

/** What may have documents in it. */
const TAKES_DOCUMENTS = new Set(["add", "copy", "run"]);
const ESCAPE = /^#[ \t]*escape[ \t]*=[ \t]*([\\`])/i;
const HEREDOC = /^\d*<<(-?)([^<]+)$/;

export function instructionsOf(text: string): Instruction[] {
  const lines = text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .map((line) => line.replace(/\r$/, ""));
  // Only the first line is looked at: after another directive it is a comment.
  const continues = ESCAPE.exec(lines[0] ?? "")?.[1] === "`" ? /`[ \t]*$/ : /\\[ \t]*$/;
  const instructions: Instruction[] = [];
  for (let at = 0; at < lines.length; ) {
    const { joined, next } = joinedLine(lines, at, continues);
    const instruction = joined === "" ? undefined : instructionOf(joined, at);
    at = next;
    if (instruction === undefined) continue;
    instructions.push(instruction);
    if (takesDocuments(instruction)) at = afterDocuments(instruction.rest, lines, at);
  }
  return instructions;
}

/** Comments and empty lines between continued lines are passed over. */
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
  const { flags, rest } = cutFlags(all);
  return { line, name: name.toLowerCase(), flags, words: arrayOf(rest) ?? rest.split(/\s+/), rest };
}

/** Flags end at the first word that does not begin with two hyphens. Quotes and backslashes hold a flag together. */
function cutFlags(text: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let rest = text;
  for (;;) {
    const [flag] = /^--(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s\\"'])+/s.exec(rest) ?? [];
    if (flag === undefined) return { flags, rest };
    flags.push(flag);
    rest = rest.slice(flag.length).trimStart();
  }
}

/** What follows the array is passed over. */
function arrayOf(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text.slice(0, text.lastIndexOf("]") + 1));
    return Array.isArray(value) && value.every((word) => typeof word === "string") ? value : undefined;
  } catch {
    return undefined;
  }
}

function takesDocuments({ name, rest }: Instruction): boolean {
  return TAKES_DOCUMENTS.has(name) && arrayOf(rest) === undefined;
}

/** Words that are quoted as a whole are no documents: `echo "<<EOF"`. */
function afterDocuments(rest: string, lines: readonly string[], begin: number): number {
  let at = begin;
  for (const word of rest.match(/(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s\\"'])+/gs) ?? []) {
    const [, tabs, name] = HEREDOC.exec(word) ?? [];
    if (name === undefined) continue;
    const terminator = name.replace(/["']/g, "");
    const end = lines.findIndex(
      (line, index) => index >= at && (tabs ? line.replace(/^\t+/, "") : line) === terminator,
    );
    // Without an end it is none, and buildah refuses the file.
    if (end >= 0) at = end + 1;
  }
  return at;
}

/** `<<EOF`: its content stands in the Dockerfile. */
export const isDocument = (word: string): boolean => HEREDOC.test(word);

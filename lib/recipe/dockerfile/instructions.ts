/**
 * Splits a Dockerfile into instructions as buildah does (1.39: openshift/imagebuilder). Each statement about buildah
 * here was tested with it (test/integration/recipe/recipe-parsing.full.test.ts).
 */
import { endOfWord, wordsOf } from "./words.ts";

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
  const terminators = new Terminators(lines);
  const instructions: Instruction[] = [];
  for (let at = 0; at < lines.length; ) {
    const { joined, next } = joinedLine(lines, at, continues);
    const instruction = joined === "" ? undefined : instructionOf(joined, at);
    at = next;
    if (instruction === undefined) continue;
    instructions.push(instruction);
    if (takesHeredocs(instruction)) at = afterHeredocs(instruction.rest, terminators, at);
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
  let at = 0;
  while (text.startsWith("--", at)) {
    const end = endOfWord(text, at + 2);
    if (end === at + 2) break;
    flags.push(text.slice(at, end));
    at = afterBlanks(text, end);
  }
  return { flags, rest: text.slice(at) };
}

function afterBlanks(text: string, begin: number): number {
  let at = begin;
  while (at < text.length && /\s/.test(text.charAt(at))) at += 1;
  return at;
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
function afterHeredocs(rest: string, terminators: Terminators, begin: number): number {
  let at = begin;
  for (const word of wordsOf(rest)) {
    const [, tabs, name] = HEREDOC.exec(word) ?? [];
    if (name === undefined) continue;
    const terminator = name.replace(/["']/g, "");
    const end = terminators.next(terminator, at, tabs === "-");
    // Without a terminator line it is no here-document, and buildah refuses the file.
    if (end !== undefined) at = end + 1;
  }
  return at;
}

/** Finds the lines that end here-documents. The lines are indexed once, when the first here-document is found. */
class Terminators {
  readonly #lines: readonly string[];
  #exact: Map<string, LineNumbers> | undefined;
  #withoutTabs: Map<string, LineNumbers> | undefined;

  constructor(lines: readonly string[]) {
    this.#lines = lines;
  }

  /** Number of the first line from `begin` on that is `text`. `begin` must not decrease from call to call. */
  next(text: string, begin: number, ignoresTabs: boolean): number | undefined {
    this.#exact ??= indexOfLines(this.#lines, (line) => line);
    if (ignoresTabs) this.#withoutTabs ??= indexOfLines(this.#lines, (line) => line.replace(/^\t+/, ""));
    const found = (ignoresTabs ? this.#withoutTabs : this.#exact)?.get(text);
    if (found === undefined) return undefined;
    while ((found.numbers[found.passed] ?? begin) < begin) found.passed += 1;
    return found.numbers[found.passed];
  }
}

interface LineNumbers {
  /** Ascending. */
  readonly numbers: number[];
  /** How many of them are before the last `begin`. */
  passed: number;
}

function indexOfLines(lines: readonly string[], keyOf: (line: string) => string): Map<string, LineNumbers> {
  const index = new Map<string, LineNumbers>();
  for (const [number, line] of lines.entries()) {
    const key = keyOf(line);
    const entry = index.get(key);
    if (entry === undefined) index.set(key, { numbers: [number], passed: 0 });
    else entry.numbers.push(number);
  }
  return index;
}

/** True for `<<EOF`: the content follows in the Dockerfile itself. */
export const isHeredoc = (word: string): boolean => HEREDOC.test(word);

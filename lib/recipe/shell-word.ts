/**
 * Expands a source of %files like the shell inside apptainer 1.4.5: `for n in SOURCE`, with a backslash put before each
 * blank. Braces and patterns work. The shell removes a backslash, but a brace or pattern character after it stays
 * special.
 */
import { CbError } from "../core/errors.ts";
import { BRACE_DEPTH_MAX, expandBraces } from "./braces.ts";

/** More alternatives than any real line has; the bound is needed because nested braces multiply exponentially. */
const ALTERNATIVES_MAX = 10_000;
/** Ten times what a recipe may name, since several lines may name the same file. */
const RECIPE_ALTERNATIVES_MAX = 100_000;
/** 40 characters for each of them on average. */
const RECIPE_CHARACTERS_MAX = 4 * 1024 * 1024;
/** In characters: PATH_MAX of Linux (limits.h). It also bounds the nesting depth of braces. */
const WORD_MAX = 4096;
/** An unquoted one of these characters ends the word, and apptainer's shell then refuses the line. */
const OPERATORS = "&;|()<>\t";

/** Counts the paths that the words of one recipe stand for, so that many lines with braces stay bounded together. */
export class ExpandedPaths {
  #paths = 0;
  #characters = 0;

  /** Throws CbError "usage" with `where` in the message when the recipe has too many. */
  add(paths: readonly string[], where: string): void {
    this.#paths += paths.length;
    for (const path of paths) this.#characters += path.length;
    if (this.#paths <= RECIPE_ALTERNATIVES_MAX && this.#characters <= RECIPE_CHARACTERS_MAX) return;
    const bounds = `${RECIPE_ALTERNATIVES_MAX} paths or ${RECIPE_CHARACTERS_MAX} characters`;
    throw new CbError("usage", `${where}: the recipe stands for more than ${bounds} up to here`, {
      hint: "name the folders that contain the files instead",
    });
  }
}

/**
 * The paths that the word stands for: braces expanded, patterns unchanged. Throws CbError "usage" with `where` in the
 * message for a word that is too long, expands to more than ALTERNATIVES_MAX paths, or that the shell would expand
 * differently on a builder or refuse, and as `expanded`.
 */
export function expandShellWord(word: string, where: string, expanded: ExpandedPaths): string[] {
  if (word.length > WORD_MAX) {
    throw new CbError("usage", `${where}: a path of ${word.length} characters; the limit is ${WORD_MAX}`, {
      hint: "shorten the path, or split it into several lines",
    });
  }
  const text = unquoted(word.replaceAll(" ", "\\ "), (problem, hint) => {
    throw new CbError("usage", `${where} ${JSON.stringify(word)}: ${problem}`, { hint });
  });
  const alternatives = expandBraces(text, ALTERNATIVES_MAX);
  if (alternatives !== undefined) {
    expanded.add(alternatives, where);
    return alternatives;
  }
  const problem = `stands for more than ${ALTERNATIVES_MAX} paths, or has more than ${BRACE_DEPTH_MAX} nested braces`;
  throw new CbError("usage", `${where} ${JSON.stringify(word)} ${problem}`, {
    hint: "name the folder that contains them instead",
  });
}

type Refuse = (problem: string, hint: string) => never;

function unquoted(word: string, refuse: Refuse): string {
  let text = "";
  for (let at = 0; at < word.length; at += 1) {
    const character = word.charAt(at);
    if (character === "\\") {
      at += 1;
      text += word.charAt(at);
    } else if (character === "'") {
      const end = word.indexOf("'", at + 1);
      if (end < 0) refuse("apptainer does not accept single quotes here", 'put the path into double quotes: "…"');
      text += word.slice(at + 1, end);
      at = end;
    } else {
      refuseSpecial(word, at, refuse);
      text += character;
    }
  }
  return text;
}

function refuseSpecial(word: string, at: number, refuse: Refuse): void {
  const character = word.charAt(at);
  if (character === "`" || (character === "$" && /[\w{(@*#?!'-]/.test(word.charAt(at + 1)))) {
    refuse(
      "the value of this variable or command is not known before the build",
      'write the full path, or write {{ NAME }} and call with --build-arg NAME="$VARIABLE"',
    );
  }
  if (character === "~" && at === 0) {
    refuse(
      "the folder that ~ stands for is not known before the build",
      'write the full path, or write {{ HOME }} and call with --build-arg HOME="$HOME"',
    );
  }
  if (OPERATORS.includes(character) || (character === "#" && at === 0)) {
    refuse(`${JSON.stringify(character)} is a special character of apptainer's shell`, "put a backslash before it");
  }
  if (character === " ")
    refuse("a backslash before a blank ends the path here", 'put the path into double quotes: "…"');
}

/** The text with a backslash before every special character of the shell, except patterns and braces. */
export const escapeForShell = (text: string): string => text.replace(/[\\$`&;|()<>'#~]/g, "\\$&");

/** The word for a line of %files that stands for `text`, one of the results of expandShellWord(). */
export const shellWord = (text: string): string => `"${escapeForShell(text)}"`;

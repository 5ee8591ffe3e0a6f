/**
 * A source of %files as the shell inside apptainer 1.4.5 expands it: `for n in SOURCE`, with a backslash put before each
 * blank. Braces and patterns work; a backslash is taken off, but what it guards is a brace or a pattern all the same.
 */
import { CbError } from "../core/errors.ts";
import { expandBraces } from "./braces.ts";

/** More alternatives in one line than any person writes; a hundred levels of braces would make more than there are atoms. */
const ALTERNATIVES_MAX = 10_000;
/** PATH_MAX of Linux. It also bounds how deep braces can be nested. */
const WORD_MAX = 4096;
/** An unquoted one of these ends the word, and apptainer's shell then refuses the line. */
const OPERATORS = "&;|()<>\t";

/** What the word stands for, braces written out, patterns as they are. Throws CbError "usage", `where` in its message. */
export function expandShellWord(word: string, where: string): string[] {
  if (word.length > WORD_MAX) throw new CbError("usage", `${where}: the path has more than ${WORD_MAX} characters`);
  const text = unquoted(word.replaceAll(" ", "\\ "), (what, hint) => {
    throw new CbError("usage", `${where} ${JSON.stringify(word)}: ${what}`, { hint });
  });
  const alternatives = expandBraces(text, ALTERNATIVES_MAX);
  if (alternatives !== undefined) return alternatives;
  throw new CbError("usage", `${where} ${JSON.stringify(word)} stands for more than ${ALTERNATIVES_MAX} paths`, {
    hint: "name the folder that they are in",
  });
}

type Refuse = (what: string, hint: string) => never;

function unquoted(word: string, refuse: Refuse): string {
  let text = "";
  for (let at = 0; at < word.length; at += 1) {
    const character = word.charAt(at);
    if (character === "\\") {
      at += 1;
      text += word.charAt(at);
    } else if (character === "'") {
      const end = word.indexOf("'", at + 1);
      if (end < 0) refuse("apptainer takes no single quotes", 'put the path into double quotes: "…"');
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
  if (character === "`" || (character === "$" && /^[\w{(@*#?!'-]/.test(word.slice(at + 1)))) {
    refuse(
      "what this variable or command stands for is not known here",
      'write the path out, or write {{ NAME }} and give --build-arg NAME="$VARIABLE"',
    );
  }
  if (character === "~" && at === 0) {
    refuse(
      "which folder ~ is, is not known here",
      'write the path out, or write {{ HOME }} and give --build-arg HOME="$HOME"',
    );
  }
  if (OPERATORS.includes(character) || (character === "#" && at === 0)) {
    refuse(`${JSON.stringify(character)} means something to apptainer's shell`, "put a backslash before it");
  }
  if (character === " ") refuse("a backslash before a blank ends the path", 'put the path into double quotes: "…"');
}

/** The text with a backslash before all that means something to the shell, but for patterns and braces. */
export const guarded = (text: string): string => text.replace(/[\\$`&;|()<>'#~]/g, "\\$&");

/** A word that stands for `text`, as expandShellWord gave it, in a line of %files. */
export const shellWord = (text: string): string => `"${guarded(text)}"`;

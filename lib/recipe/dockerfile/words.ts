/**
 * Splits a Dockerfile's words, removes their quotes and substitutes their variables, as buildah does. Each scan goes
 * forward over the text once: a regular expression with a repeated group would exhaust its stack on a long word.
 */

export interface Word {
  /** The whole word, or the part before the first variable without a certain value. */
  readonly text: string;
  readonly certain: boolean;
}

/** A name that is absent may still have a value: the base image's environment is not known before the build. */
export interface Variables {
  get(name: string): string | undefined;
}

/** The words between blanks. Quotes and backslashes keep a word together, and stay in it; an unclosed one is left out. */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = endOfWord(text, at);
    if (end > at) words.push(text.slice(at, end));
    at = Math.max(end, at + 1);
  }
  return words;
}

/** Index after the word that begins at `begin`; `begin` itself when none begins there. */
export function endOfWord(text: string, begin: number): number {
  let at = begin;
  while (at < text.length) {
    const end = endOfPiece(text, at);
    if (end === undefined) break;
    at = end;
  }
  return at;
}

/** Index after one character, escaped character or quoted text. Undefined for a blank, and for an unclosed quote. */
function endOfPiece(text: string, at: number): number | undefined {
  const character = text.charAt(at);
  if (character === "\\") return escapedEnd(text, at);
  if (character === '"') {
    const end = closingQuote(text, at);
    return end < 0 ? undefined : end + 1;
  }
  if (character === "'") {
    const end = text.indexOf("'", at + 1);
    return end < 0 ? undefined : end + 1;
  }
  return /\s/.test(character) ? undefined : at + 1;
}

/** A backslash with the whole code unit after it. */
const escapedEnd = (text: string, at: number): number | undefined => (at + 1 < text.length ? at + 2 : undefined);

/** Position of the double quote that closes the one at `begin`; -1 when there is none. */
function closingQuote(text: string, begin: number): number {
  for (let at = begin + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at;
  }
  return -1;
}

/**
 * `$NAME`, `${NAME}`, `${NAME:-…}`; a single digit is a name. buildah's other forms (`${NAME%…}`) make the word
 * uncertain.
 */
const PART = /\\(["$\\])|\$(?:(\d|[A-Za-z_]\w*)|\{(\d|[A-Za-z_]\w*)(?::([-+?])([^{}$]*))?\})|\$(?=[\w{])/g;
/** Begins a piece of another kind. */
const SPECIAL = /['"\\]/g;

export function expandWord(word: string, variables: Variables): Word {
  let text = "";
  for (let at = 0; at < word.length; ) {
    const piece = word.slice(at, endOfKind(word, at));
    at += piece.length;
    if (piece.startsWith("'")) text += piece.replaceAll("'", "");
    else if (piece.startsWith("\\")) text += piece.slice(1);
    else {
      const part = substitute(piece.replace(/^"|"$/g, ""), variables);
      text += part.text;
      if (!part.certain) return { text, certain: false };
    }
  }
  return { text, certain: true };
}

/** Index after the quoted, escaped or plain piece at `at`. An unclosed quote ends with the word. */
function endOfKind(word: string, at: number): number {
  if (word[at] === "\\") return at + 2;
  if (word[at] === "'" || word[at] === '"') {
    const end = word[at] === "'" ? word.indexOf("'", at + 1) : closingQuote(word, at);
    return end < 0 ? word.length : end + 1;
  }
  SPECIAL.lastIndex = at;
  return SPECIAL.exec(word)?.index ?? word.length;
}

/**
 * In double quotes a backslash that escapes nothing is kept. Outside quotes expandWord() has removed all backslashes.
 */
function substitute(piece: string, variables: Variables): Word {
  let text = "";
  let done = 0;
  for (const found of piece.matchAll(PART)) {
    text += piece.slice(done, found.index);
    const value = found[1] ?? resolve(found, variables);
    if (value === undefined) return { text, certain: false };
    text += value;
    done = found.index + found[0].length;
  }
  return { text: text + piece.slice(done), certain: true };
}

function resolve([, , short, long, modifier, word = ""]: RegExpExecArray, variables: Variables): string | undefined {
  const value = variables.get(short ?? long ?? "");
  if (value === undefined || modifier === undefined) return value;
  if (modifier === "+") return value === "" ? "" : word;
  return value === "" ? word : value;
}

/** Removes the quotes of a Dockerfile's words and substitutes their variables, as buildah does. */

export interface Word {
  /** The whole word, or the part before the first variable without a certain value. */
  readonly text: string;
  readonly certain: boolean;
}

/** A name that is absent may still have a value: the base image's environment is not known before the build. */
export type Variables = ReadonlyMap<string, string>;

/** Quoted, escaped by a backslash, or plain. An unclosed quote ends with the word. */
const PIECE = /'[^']*'?|"(?:\\.|[^"\\])*"?|\\.?|[^'"\\]+/gs;
/**
 * `$NAME`, `${NAME}`, `${NAME:-…}`; a single digit is a name. buildah's other forms (`${NAME%…}`) make the word
 * uncertain.
 */
const PART = /\\(["$\\])|\$(?:(\d|[A-Za-z_]\w*)|\{(\d|[A-Za-z_]\w*)(?::([-+?])([^{}$]*))?\})|\$(?=[\w{])/g;

export function expandWord(word: string, variables: Variables): Word {
  let text = "";
  for (const [piece] of word.matchAll(PIECE)) {
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

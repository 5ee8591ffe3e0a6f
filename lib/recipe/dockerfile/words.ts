/** Words of a Dockerfile with their quotes taken off and their variables filled in, as buildah does it. */

export interface Word {
  /** All of it, or what stands before the first variable whose value is not certain. */
  readonly text: string;
  readonly certain: boolean;
}

/** A name that is not in it may have a value all the same: the base image's environment is not known. */
export type Variables = ReadonlyMap<string, string>;

/** Quoted, guarded by a backslash, or neither. A quote that is not closed ends with the word. */
const PIECE = /'[^']*'?|"(?:\\.|[^"\\])*"?|\\.?|[^'"\\]+/gs;
/** `$NAME`, `${NAME}`, `${NAME:-…}`; a digit alone is a name. The rest of what buildah knows (`${NAME%…}`) stays uncertain. */
const PART = /\\(["$\\])|\$(?:(\d|[A-Za-z_]\w*)|\{(\d|[A-Za-z_]\w*)(?::([-+?])([^{}$]*))?\})|\$(?=[\w{])/g;

export function expandWord(word: string, variables: Variables): Word {
  let text = "";
  for (const [piece] of word.matchAll(PIECE)) {
    if (piece.startsWith("'")) text += piece.replaceAll("'", "");
    else if (piece.startsWith("\\")) text += piece.slice(1);
    else {
      const filled = fill(piece.replace(/^"|"$/g, ""), variables);
      text += filled.text;
      if (!filled.certain) return { text, certain: false };
    }
  }
  return { text, certain: true };
}

/** Between double quotes a backslash stays where it guards nothing; outside of them there is none left. */
function fill(piece: string, variables: Variables): Word {
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

/**
 * A TypeScript source with its comments, or its comments and literals, blanked out, so that rules look at code and not at
 * what is said about it. Lengths and line breaks stay. A scanner of forty lines, no parser: a slash begins a regular
 * expression where the code before it cannot end an operand.
 */

type Kind = "comment" | "literal";

const OPENERS = ["//", "/*", "'", '"', "`"] as const;
/** What stands before a division: the end of an operand. Keywords that end in letters stand before an expression. */
const ENDS_OPERAND = /[\w$)\]}]$/;
const ENDS_KEYWORD = /\b(return|typeof|case|in|of|await|yield|throw|void|delete)$/;

/** Without comments; literals stay, as rules about what is spelled need them. */
export function withoutComments(text: string): string {
  return blank(text, ["comment"]);
}

/** Without comments and without what is in quotes, backticks and regular expressions. */
export function codeOf(text: string): string {
  return blank(text, ["comment", "literal"]);
}

function blank(text: string, kinds: readonly Kind[]): string {
  let result = "";
  let at = 0;
  while (at < text.length) {
    const kind = kindAt(text, at, result);
    const end = kind === undefined ? at + 1 : endOf(text, at);
    const piece = text.slice(at, end);
    const hidden = kind !== undefined && kinds.includes(kind);
    result += hidden ? hide(piece, kind) : piece;
    at = end;
  }
  return result;
}

/** The quotes of a literal stay, so that the code still reads as code. */
function hide(piece: string, kind: Kind): string {
  const spaces = piece.replace(/[^\n]/g, " ");
  return kind === "comment" ? spaces : `${piece[0]}${spaces.slice(1, -1)}${piece.at(-1)}`;
}

function kindAt(text: string, at: number, before: string): Kind | undefined {
  const opener = OPENERS.find((candidate) => text.startsWith(candidate, at));
  if (opener !== undefined) return opener.startsWith("/") ? "comment" : "literal";
  if (text[at] !== "/") return undefined;
  const operand = before.slice(-200).trimEnd();
  return ENDS_OPERAND.test(operand) && !ENDS_KEYWORD.test(operand) ? undefined : "literal";
}

/** Where the comment or literal that starts here is over. */
function endOf(text: string, from: number): number {
  if (text.startsWith("//", from)) return orEnd(text.indexOf("\n", from), text);
  if (text.startsWith("/*", from)) return orEnd(text.indexOf("*/", from + 2), text, 2);
  const quote = text[from];
  let inClass = false;
  for (let at = from + 1; at < text.length; at++) {
    const char = text[at];
    if (char === "\\") at++;
    else if (quote === "`" && text.startsWith("${", at)) at = endOfInterpolation(text, at + 2) - 1;
    else if (quote === "/" && char === "[") inClass = true;
    else if (quote === "/" && char === "]") inClass = false;
    else if (char === quote && !inClass) return at + 1;
  }
  return text.length;
}

/** After the brace that closes `${`, passing over literals inside. */
function endOfInterpolation(text: string, from: number): number {
  let depth = 1;
  let at = from;
  while (at < text.length) {
    const kind = kindAt(text, at, text.slice(from, at));
    if (kind !== undefined) {
      at = endOf(text, at);
      continue;
    }
    if (text[at] === "{") depth++;
    if (text[at] === "}") depth--;
    at++;
    if (depth === 0) return at;
  }
  return text.length;
}

function orEnd(index: number, text: string, length = 0): number {
  return index === -1 ? text.length : index + length;
}

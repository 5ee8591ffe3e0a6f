/**
 * Splits a TypeScript source into code, comments and literals, so that a rule reads only the part that it is about. The scanner
 * is no parser: a slash begins a regular expression where the code before it cannot end an operand.
 */

type Kind = "comment" | "literal";

/** A comment, or a literal: what is in quotes, backticks or the slashes of a regular expression. */
export interface Piece {
  readonly kind: Kind;
  /** Where it starts in the source, in UTF-16 units. */
  readonly at: number;
  /** With its quotes or comment marks. */
  readonly text: string;
}

const OPENERS = ["//", "/*", "'", '"', "`"] as const;
/** The end of an operand: a slash after it divides. The keywords end in letters too, but an expression follows them. */
const ENDS_OPERAND = /[\w$)\]}]$/;
const ENDS_KEYWORD = /\b(return|typeof|case|in|of|await|yield|throw|void|delete)$/;

/** The comments and literals of a source, in order. */
export function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  let code = "";
  let at = 0;
  while (at < text.length) {
    const kind = kindAt(text, at, code);
    const end = kind === undefined ? at + 1 : endOf(text, at);
    const piece = text.slice(at, end);
    if (kind !== undefined) pieces.push({ kind, at, text: piece });
    code += kind === "comment" ? " " : piece;
    at = end;
  }
  return pieces;
}

/** The source with its comments blanked out. Lengths and line breaks stay. */
export function withoutComments(text: string): string {
  return blank(text, ["comment"]);
}

/** The source with its comments and the insides of its literals blanked out. Lengths and line breaks stay. */
export function codeOf(text: string): string {
  return blank(text, ["comment", "literal"]);
}

function blank(text: string, kinds: readonly Kind[]): string {
  let result = "";
  let from = 0;
  for (const piece of piecesOf(text)) {
    if (!kinds.includes(piece.kind)) continue;
    result += text.slice(from, piece.at) + hide(piece);
    from = piece.at + piece.text.length;
  }
  return result + text.slice(from);
}

/** The quotes of a literal stay, so that the code still reads as code. */
function hide({ kind, text }: Piece): string {
  const spaces = text.replace(/[^\n]/g, " ");
  return kind === "comment" ? spaces : `${text[0]}${spaces.slice(1, -1)}${text.at(-1)}`;
}

function kindAt(text: string, at: number, before: string): Kind | undefined {
  const opener = OPENERS.find((candidate) => text.startsWith(candidate, at));
  if (opener !== undefined) return opener.startsWith("/") ? "comment" : "literal";
  if (text[at] !== "/") return undefined;
  const operand = before.slice(-200).trimEnd();
  return ENDS_OPERAND.test(operand) && !ENDS_KEYWORD.test(operand) ? undefined : "literal";
}

/** The index after the comment or literal that starts at `from`. */
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

/** The index after the brace that closes `${`; braces in literals do not count. */
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

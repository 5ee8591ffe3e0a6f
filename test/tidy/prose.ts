/** The texts of the project that people read: comments, messages and documents. */
import { type Piece, piecesOf } from "./code.ts";
import { lineAt, type SourceFile } from "./source.ts";

export interface Prose {
  /** The line on which it starts, counted from 1. */
  readonly line: number;
  /** Paragraphs with a blank line between them. Names of code, which stand between backticks, are blanked out. */
  readonly text: string;
}

/** A literal with fewer words is a name or a key, not a message. */
const FEWEST_WORDS = 3;

/** The comments of a program or a script, and the paragraphs of a Markdown document. */
export function commentsOf({ path, text }: SourceFile): Prose[] {
  if (path.endsWith(".md")) return paragraphsOf(text);
  if (/\.(ts|mjs)$/.test(path)) {
    const comments = piecesOf(text).filter(({ kind }) => kind === "comment");
    return joinLines(comments.map((piece) => ({ line: lineAt(text, piece.at), text: bareComment(piece.text) })));
  }
  return hashComments(text);
}

/** The string literals of a TypeScript source that are sentences. */
export function messagesOf({ path, text }: SourceFile): Prose[] {
  if (!/\.(ts|mjs)$/.test(path)) return [];
  const isMessage = ({ kind, text: literal }: Piece) => kind === "literal" && /^["'`]/.test(literal);
  return piecesOf(text)
    .filter(isMessage)
    .map((piece) => ({ line: lineAt(text, piece.at), text: bareLiteral(piece.text) }))
    .filter((prose) => prose.text.trim().split(/\s+/).length >= FEWEST_WORDS);
}

function bareComment(text: string): string {
  const lines = text.replace(/^\/\*\*?|\*\/$|^\/\//g, "").split("\n");
  return withoutNames(lines.map((line) => line.replace(/^\s*\* ?/, "").trim()).join("\n"));
}

/** Without its quotes, its escapes and the code of a template. */
function bareLiteral(text: string): string {
  return text
    .slice(1, -1)
    .replace(/\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}/g, "X")
    .replaceAll("\\n", "\n\n")
    .replace(/\\(.)/g, "$1");
}

/** One text for `//` comments on successive lines: a sentence may go over several. */
function joinLines(comments: readonly Prose[]): Prose[] {
  const joined: { line: number; end: number; text: string }[] = [];
  for (const { line, text } of comments) {
    const last = joined.at(-1);
    const end = line + text.split("\n").length - 1;
    if (last?.end === line - 1) Object.assign(last, { end, text: `${last.text}\n${text}` });
    else joined.push({ line, end, text });
  }
  return joined.map(({ line, text }) => ({ line, text }));
}

/** Of a shell or Python script: lines that begin with `#`, and Python's doc strings. */
function hashComments(text: string): Prose[] {
  const lines = text.split("\n").flatMap((line, index) => {
    const comment = /^\s*#(?!!)\s?(.*)$/.exec(line)?.[1];
    return comment === undefined ? [] : [{ line: index + 1, text: withoutNames(comment) }];
  });
  const docs = [...text.matchAll(/"""([\s\S]*?)"""/g)].map((match) => ({
    line: lineAt(text, match.index),
    text: withoutNames(match[1] ?? ""),
  }));
  return [...joinLines(lines), ...docs];
}

/** Of a Markdown document, without code blocks. An item of a list and a row of a table are paragraphs of their own. */
function paragraphsOf(text: string): Prose[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, (block) => block.replace(/[^\n]/g, ""));
  const paragraphs: Prose[] = [];
  for (const [index, line] of prose.split("\n").entries()) {
    const isNew = /^\s*(?:[-*|#>]|\d+\.|$)/.test(line) || paragraphs.length === 0;
    const bare = withoutNames(line.replace(/^\s*(?:[-*|#>]+|\d+\.)\s*/, ""));
    const last = paragraphs.at(-1);
    if (isNew || last === undefined) paragraphs.push({ line: index + 1, text: bare });
    else paragraphs[paragraphs.length - 1] = { ...last, text: `${last.text}\n${bare}` };
  }
  return paragraphs.filter(({ text: paragraph }) => paragraph.trim() !== "");
}

function withoutNames(text: string): string {
  return text.replace(/`[^`\n]*`/g, "X");
}

/** The columns that a text takes on a terminal, and texts that are cut to a width. */

/**
 * East Asian wide characters and emoji take two columns. The ranges are those of Unicode 15, EastAsianWidth.txt, classes W and F,
 * joined across unassigned gaps.
 */
const WIDE =
  /[\u1100-\u115f\u231a\u231b\u2329\u232a\u23e9-\u23ec\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{16fe0}-\u{18d08}\u{1aff0}-\u{1b2fb}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
/** Combining marks and format characters, such as the zero width joiner, take none. */
const ZERO = /^[\p{Mn}\p{Me}\p{Cf}]/u;

/** Divides into what a reader sees as one character: a base with its marks, or a joined emoji. */
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

const graphemeColumns = (text: string): number => (WIDE.test(text) ? 2 : ZERO.test(text) ? 0 : 1);

/** The number of columns that `text`, one line without control characters, takes. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const { segment } of graphemes.segment(text)) columns += graphemeColumns(segment);
  return columns;
}

/** `text` if it takes at most `columns`, otherwise its begin with "…" at the end. `columns` is at least 1. */
export function fit(text: string, columns: number): string {
  return columnsOf(text) <= columns ? text : `${cutToColumns(text, columns - 1)}…`;
}

/** The longest begin of `text` that takes at most `columns`. */
export function cutToColumns(text: string, columns: number): string {
  let used = 0;
  let begin = "";
  for (const { segment } of graphemes.segment(text)) {
    used += graphemeColumns(segment);
    if (used > columns) break;
    begin += segment;
  }
  return begin;
}

/** Appends spaces up to a width of `columns`. */
export function padColumns(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - columnsOf(text)));
}

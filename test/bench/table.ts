/** The table of a run, for a terminal. Pure. */
import type { Result } from "./measure.ts";

/** Three significant digits, with separators of thousands. */
const number = (value: number): string =>
  value.toLocaleString("en", value < 1000 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 });

const HEADER = ["name", "ours", "theirs", "unit", "ratio", "spread", "goal"] as const;

/** One line a result, in columns. */
export function tableOf(results: readonly Result[]): string {
  const cells = results.map(({ name, ours, theirs, unit, ratio, spread, goal }) => [
    name,
    number(ours),
    theirs === undefined ? "" : number(theirs),
    unit,
    ratio === undefined ? "" : ratio.toFixed(2),
    spread.map(number).join("–"),
    goal,
  ]);
  const rows = [HEADER, ...cells];
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

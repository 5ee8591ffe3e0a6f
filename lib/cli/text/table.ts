/** A table of cells for a terminal. */
import { columnsOf, fit, padColumns } from "./width.ts";

const GAP = "  ";

export interface TableLayout {
  /** The column that is cut when a line would take more than `columns`. */
  readonly flexible: number;
  /** That column is not cut below this. */
  readonly minColumns: number;
  /** The width of the terminal. */
  readonly columns: number;
}

type Rows = readonly (readonly string[])[];

/** One line for each row, without spaces at its end. The first row is the head. */
export function tableLines(rows: Rows, layout: TableLayout): string[] {
  const { flexible, minColumns } = layout;
  const space = Math.max(minColumns, flexibleSpace(rows, layout));
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.min(widthOf(rows, column), column === flexible ? space : Infinity),
  );
  const padded = (cell: string, width = 0) => padColumns(fit(cell, width), width);
  const line = (cells: readonly string[]) => cells.map((cell, column) => padded(cell, widths[column])).join(GAP);
  return rows.map((cells) => line(cells).trimEnd());
}

/** False when the flexible column would have to be cut below its minimum. */
export function hasSpace(rows: Rows, layout: TableLayout): boolean {
  return flexibleSpace(rows, layout) >= Math.min(layout.minColumns, widthOf(rows, layout.flexible));
}

/** The columns that the other cells leave for the flexible one. */
function flexibleSpace(rows: Rows, { flexible, columns }: TableLayout): number {
  const head = rows[0] ?? [];
  const others = head.map((_, column) => (column === flexible ? 0 : widthOf(rows, column)));
  return columns - others.reduce((sum, width) => sum + width, 0) - GAP.length * (head.length - 1);
}

const widthOf = (rows: Rows, column: number): number =>
  Math.max(...rows.map((cells) => columnsOf(cells[column] ?? "")));

/** The same without a bound on the width. Each line ends with a line break. */
export function tableText(rows: Rows): string {
  const lines = tableLines(rows, { flexible: 0, minColumns: 0, columns: Number.POSITIVE_INFINITY });
  return lines.map((line) => `${line}\n`).join("");
}

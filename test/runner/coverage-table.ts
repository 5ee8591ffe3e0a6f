/** The coverage of the sources as a table with one line a folder. */
import { dirname, relative } from "node:path";

/** The folders that ship. */
const SOURCES = ["agent", "cmd", "infra", "lib"];

/** Lines and branches of one folder. */
interface Counts {
  readonly lines: Count;
  readonly branches: Count;
}

interface Count {
  readonly total: number;
  readonly covered: number;
}

/**
 * Returns a line for each folder with the percentages of lines and branches that ran. The keys of `summary` are absolute paths of
 * files, and `total`, as istanbul's reporter `json-summary` writes them.
 */
export function tableOf(summary: Readonly<Record<string, Counts>>, root: string): string {
  const folders = new Map<string, Counts[]>();
  for (const [absolute, counts] of Object.entries(summary)) {
    const path = relative(root, absolute);
    if (!SOURCES.includes(path.split("/")[0] ?? "")) continue;
    for (const folder of [dirname(path), "all"]) folders.set(folder, [...(folders.get(folder) ?? []), counts]);
  }
  const rows = [...folders].sort(([a], [b]) => Number(a === "all") - Number(b === "all") || a.localeCompare(b));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(40) : cell.padStart(10))).join("");
  return [
    line(["folder", "lines", "branches"]),
    ...rows.map(([folder, counts]) => line([folder, percent(counts, "lines"), percent(counts, "branches")])),
  ].join("\n");
}

function percent(counts: readonly Counts[], kind: keyof Counts): string {
  const sum = (key: keyof Count): number => counts.reduce((total, count) => total + count[kind][key], 0);
  return sum("total") === 0 ? "-" : `${((100 * sum("covered")) / sum("total")).toFixed(1)} %`;
}

/** Measures which lines of the sources the tests run: V8 writes the counts of each process, c8 maps them to the sources. */
import { mkdtempSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { Report } from "c8";

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

export class Coverage {
  readonly #root: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "cb-coverage-"));

  constructor(root: string) {
    this.#root = root;
  }

  /** For the environment of the test files. Node writes one JSON file a process into this folder. */
  get env(): { readonly NODE_V8_COVERAGE: string } {
    return { NODE_V8_COVERAGE: join(this.#folder, "v8") };
  }

  /** One line a folder, with the share of its lines and branches that ran. A source that no test loads is missing. */
  async table(): Promise<string> {
    // c8 applies its own include list to the bundles, which are outside of the project; tableOf() chooses the sources.
    const report = new Report({
      tempDirectory: this.env.NODE_V8_COVERAGE,
      reportsDirectory: this.#folder,
      reporter: ["json-summary"],
      allowExternal: true,
      exclude: [],
      extension: [".ts", ".js"],
      excludeNodeModules: false,
    });
    await report.run();
    return tableOf(JSON.parse(await readFile(join(this.#folder, "coverage-summary.json"), "utf8")), this.#root);
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }
}

/** `summary`: absolute paths of files, and `total`, as istanbul's reporter `json-summary` writes them. */
export function tableOf(summary: Readonly<Record<string, Counts>>, root: string): string {
  const folders = new Map<string, Counts[]>();
  for (const [absolute, counts] of Object.entries(summary)) {
    const path = relative(root, absolute);
    if (!SOURCES.includes(path.split("/")[0] ?? "")) continue;
    for (const folder of [dirname(path), "all"]) folders.set(folder, [...(folders.get(folder) ?? []), counts]);
  }
  const rows = [...folders].sort(([a], [b]) => Number(a === "all") - Number(b === "all") || a.localeCompare(b));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(40) : cell.padStart(9))).join("");
  return [
    line(["folder", "lines", "branches"]),
    ...rows.map(([folder, counts]) => line([folder, percent(counts, "lines"), percent(counts, "branches")])),
  ].join("\n");
}

function percent(counts: readonly Counts[], kind: keyof Counts): string {
  const sum = (key: keyof Count): number => counts.reduce((total, count) => total + count[kind][key], 0);
  return sum("total") === 0 ? "-" : `${((100 * sum("covered")) / sum("total")).toFixed(1)} %`;
}

/** Measures which lines of the sources the tests run: V8 writes the counts of each process, c8 maps them to the sources. */
import { mkdtempSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Report } from "c8";
import { tableOf } from "./coverage-table.ts";

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

  /** Returns the table of tableOf(). A source that no test loads is missing from it. */
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

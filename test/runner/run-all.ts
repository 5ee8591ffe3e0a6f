/** Runs test files in order: those that may share the machine a few at a time, then the others one by one. */
import { chmodSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type BundledTests, bundleTests } from "./bundle.ts";
import type { TestFile } from "./discover.ts";
import { removeFolder } from "./leftovers.ts";
import { type FileResult, type RunOptions, runFile } from "./run-file.ts";

/** The machine of the tests has two cores, and three files that mostly wait keep them busy: 15 minutes one by one had 5 of work. */
const AT_ONCE = 3;

export interface RunAllOptions extends Pick<RunOptions, "root" | "skipsFail" | "prefix" | "env" | "signal"> {
  /** Called as each file ends. */
  readonly onResult: (result: FileResult) => void;
}

/** The results of the files that were run; after an abort the rest is not started. Throws CbError; see bundleTests. */
export async function runAll(files: readonly TestFile[], options: RunAllOptions): Promise<FileResult[]> {
  const folder = mkdtempSync(join(tmpdir(), "cb-"));
  chmodSync(folder, 0o711);
  const results: FileResult[] = [];
  let started = 0;
  const runNext = async (waiting: TestFile[], bundled: BundledTests): Promise<void> => {
    for (let file = waiting.shift(); file && !options.signal.aborted; file = waiting.shift()) {
      started++;
      const own = { folder: join(folder, String(started)), mark: `${basename(folder)}-${started}` };
      const result = await runFile(file, { ...options, ...own, argv: bundled.argv(file.path) });
      results.push(result);
      options.onResult(result);
    }
  };
  try {
    const paths = files.map(({ path }) => path);
    const bundled = await bundleTests(options.root, paths, join(folder, "bundle"));
    const together = files.filter((file) => !file.alone);
    await Promise.all(Array.from({ length: AT_ONCE }, () => runNext(together, bundled)));
    await runNext(
      files.filter((file) => file.alone),
      bundled,
    );
  } finally {
    // What cannot be removed has been counted as a failure of the file that left it.
    await removeFolder(folder);
  }
  return results;
}

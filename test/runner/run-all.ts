/** Runs test files in order: three at a time, then one by one the files that must run alone. */
import { chmodSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type BundledTests, bundleTests } from "./bundle.ts";
import type { TestFile } from "./discover.ts";
import { removeFolder } from "./leftovers.ts";
import { type FileResult, type RunFileOptions, runFile } from "./run-file.ts";

/** Most files mostly wait: one by one they took 15 minutes with 5 minutes of work. Three keep the two cores of a test machine busy. */
const AT_ONCE = 3;

export interface RunAllOptions extends Pick<RunFileOptions, "root" | "skipsFail" | "prefix" | "env" | "signal"> {
  /** Called when a file has ended. */
  readonly onResult: (result: FileResult) => void;
}

/** Returns the results of the files that ran. An abort starts no further files. Throws CbError as bundleTests does. */
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
    // If this fails, a test file left files behind, and runFile has counted that as its failure.
    await removeFolder(folder);
  }
  return results;
}

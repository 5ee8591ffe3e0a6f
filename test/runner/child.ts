/**
 * Runs one test file, named by the last argument, in a process of its own, and writes what its suites counted to file
 * descriptor 3 as one line of JSON when the last has ended.
 *
 * uvu's own exit code is green after a throwing hook and after a test that throws no Error; its counts are right.
 * UVU_DEFER is how uvu's command line collects suites instead of letting them run; so does this.
 */
import { writeSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { SuiteCount } from "./verdict.ts";

type SuiteRun = () => Promise<[errors: string | true, passed: number, skipped: number, total: number]>;

/** uvu returns from a `finally` block, which swallows the error. */
const HIDDEN = "\nuvu does not show why: a hook threw, or a test threw something that is no Error\n";

const runs: SuiteRun[] = [];
Object.assign(globalThis, { UVU_DEFER: 1, UVU_INDEX: 0, UVU_QUEUE: [runs] });

const file = process.argv[2] ?? "";
process.argv.splice(1, 1);
await import(pathToFileURL(file).href);

const suites: SuiteCount[] = [];
for (const run of runs) {
  const [errors, passed, skipped, total] = await run();
  if (errors !== true) process.stdout.write(`\n${errors}`);
  else if (passed < total) process.stdout.write(HIDDEN);
  suites.push({ passed, skipped, total });
}
process.exitCode = suites.every((count) => count.passed === count.total) ? 0 : 1;
writeSync(3, `${JSON.stringify(suites)}\n`);

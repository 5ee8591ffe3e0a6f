/**
 * Runs one test file, the last argument, in this process. When its last suite has ended, it writes the counts of the suites to file
 * descriptor 3 as one line of JSON.
 *
 * uvu exits with 0 after a hook that throws and after a test that throws a value that is no Error, but its counts are right.
 * UVU_DEFER makes uvu collect the suites instead of running them, as its own command line does.
 */
import { writeSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { SuiteCount } from "./verdict.ts";

type SuiteRun = () => Promise<[errors: string | true, passed: number, skipped: number, total: number]>;

/** uvu returns from a `finally` block, so it drops the error. */
const HIDDEN = "\nuvu does not report the error: a hook threw, or a test threw a value that is no Error\n";

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

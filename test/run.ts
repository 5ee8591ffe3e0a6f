/**
 * The test runner: `npm test [-- [--unit] [--full] [--output] [PATTERN…]]`.
 *
 * Each test file runs in a process of its own with a time limit (test/runner). The last line is `N passed, N failed`.
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "../infra/build.ts";
import { ensureTools } from "../infra/setup/ensure-tools.ts";
import { natsServerPath } from "../infra/setup/nats-server.ts";
import { ALL_TOOLS, TEST_TOOLS } from "../infra/setup/packages.ts";
import { CbError, EXIT_CODES, messageOf } from "../lib/errors.ts";
import { discover, type TestFile } from "./runner/discover.ts";
import { describeResult, describeTotals, sumOf, type Totals } from "./runner/report.ts";
import { runAll } from "./runner/run-all.ts";

const USAGE = `usage: npm test [-- [--unit] [--full] [--output] [PATTERN...]]
  PATTERN  part of a test file's path, or a glob with *
  --unit   only the tests that need no process and no tool
  --full   also the files named *.full.test.ts, which take minutes
  --output what passing files print too, such as what they measured`;

/** As shells have it: 128 + the number of the signal. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const say = (line: string): boolean => process.stdout.write(`${line}\n`);

function readArguments() {
  try {
    const options = { unit: { type: "boolean" }, full: { type: "boolean" }, output: { type: "boolean" } } as const;
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    return {
      patterns: positionals,
      unitOnly: values.unit === true,
      full: values.full === true,
      output: values.output === true,
    };
  } catch (error) {
    throw new CbError("usage", messageOf(error), { hint: USAGE });
  }
}

/** Unit tests start nothing; for the others there must be the programs they run, foreign ones and our own, bundled. */
async function prepareEnvironment(files: readonly TestFile[]): Promise<Record<string, string>> {
  if (!files.some((file) => file.needsTools)) return {};
  const full = files.some(({ path }) => path.endsWith(".full.test.ts"));
  await ensureTools({ need: full ? ALL_TOOLS : TEST_TOOLS, onStep: say });
  await build();
  return { NATS_SERVER: await natsServerPath() };
}

/** Ends the files that run when the runner is told to end; the runner then clears up and ends by itself. */
function stopOnSignals(): { signal: AbortSignal; exitCode: () => number | undefined } {
  const controller = new AbortController();
  let exitCode: number | undefined;
  for (const [name, code] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      exitCode ??= code;
      controller.abort(`it was interrupted by ${name}`);
    });
  }
  return { signal: controller.signal, exitCode: () => exitCode };
}

async function main(): Promise<{ totals: Totals; exitCode: number }> {
  const stop = stopOnSignals();
  const { output, ...selection } = readArguments();
  const files = discover(root, selection);
  const env = await prepareEnvironment(files);
  const skipsFail = !["", "0", "false"].includes(process.env.CI ?? "");
  const onResult = (result: Parameters<typeof describeResult>[0]): boolean => say(describeResult(result, output));
  const results = await runAll(files, { root, env, skipsFail, signal: stop.signal, onResult });
  const totals = sumOf(results);
  const notRun = files.length - results.length;
  if (notRun > 0) say(`interrupted: ${notRun} of ${files.length} files were not run`);
  const failed = Math.max(totals.failed, stop.exitCode() === undefined ? 0 : 1);
  return { totals: { ...totals, failed }, exitCode: stop.exitCode() ?? (failed > 0 ? 1 : 0) };
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
try {
  const { totals, exitCode } = await main();
  say(describeTotals(totals));
  process.exitCode = exitCode;
} catch (error) {
  const known = error instanceof CbError;
  say(known ? `error: ${error.message}` : `bug: ${error instanceof Error ? error.stack : String(error)}`);
  if (known && error.hint !== undefined) say(`  ${error.hint}`);
  say(describeTotals({ passed: 0, failed: 1 }));
  process.exitCode = known ? EXIT_CODES[error.kind] : EXIT_CODES.bug;
}

/**
 * The test runner: `npm test [-- [--unit] [--slow] [--full] [--output] [--coverage] [PATTERN…]]` and
 * `npm run test:openstack [-- [--quick] [PATTERN…]]`, and `npm run test:deploy`.
 *
 * Each test file runs in its own process with a time limit (test/runner). The last line is `N passed, N failed`.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "../infra/tools/build.ts";
import { ensureTools } from "../infra/tools/setup/ensure-tools.ts";
import { natsServerOf, natsServerPath } from "../infra/tools/setup/nats-server.ts";
import { ALL_TOOLS, TEST_TOOLS } from "../infra/tools/setup/packages.ts";
import { withProgress } from "../infra/tools/setup/run-command.ts";
import { folders } from "../lib/config/folders.ts";
import { CbError, messageOf } from "../lib/core/errors.ts";
import { EXIT_CODES } from "../lib/core/exit-codes.ts";
import { ensureDiskImage } from "../lib/provider/qemu/disk.ts";
import type { MakingProgress } from "../lib/provider/sandbox/make-once.ts";
import { TESTBED_PID } from "./openstack/testbed/box.ts";
import { startTestbed } from "./openstack/testbed/testbed.ts";
import { Coverage } from "./runner/coverage.ts";
import { discover, type TestFile } from "./runner/discover.ts";
import { describeResult, describeTotals, sumOf, type Totals } from "./runner/report.ts";
import { type RunAllOptions, runAll } from "./runner/run-all.ts";
import type { FileResult } from "./runner/run-file.ts";
import { prepareDeployment } from "./support/ci/prepare-deployment.ts";

const USAGE = `usage: npm test [-- [OPTIONS] [PATTERN...]], npm run test:openstack [-- [--quick] [PATTERN...]],
       npm run test:deploy
  PATTERN     part of a test file's path, or a glob with *
  --unit      run the unit tests only, which need no other program
  --slow      run only the files with a line "// slow: REASON"; a PATTERN selects them too
  --full      run all files, also those named *.full.test.ts, which take minutes
  --output    print the output of passing files too, such as measurements
  --coverage  print the coverage of each folder of sources at the end
  --quick     run only the OpenStack tests that take a minute or two`;

/** The exit codes that a shell reports: 128 + the number of the signal. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const print = (line: string): boolean => process.stdout.write(`${line}\n`);

function readArguments() {
  try {
    const flag = { type: "boolean", default: false } as const;
    const kinds = { unit: flag, slow: flag, full: flag, openstack: flag, quick: flag, deploy: flag };
    const options = { ...kinds, output: flag, coverage: flag };
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const { unit, slow, output, openstack, quick, deploy, coverage } = values;
    const full = openstack ? !quick : values.full;
    return { patterns: positionals, unitOnly: unit, slow, output, openstack, deploy, coverage, full };
  } catch (error) {
    throw new CbError("usage", messageOf(error), { hint: USAGE });
  }
}

/**
 * Unit tests start no other program. For the other tests this installs the system's programs and bundles our own. They run on the oldest
 * supported nats-server unless NATS_SERVER names another; those on newer ones choose it themselves.
 */
async function prepareEnvironment(files: readonly TestFile[]): Promise<Record<string, string>> {
  if (!files.some((file) => file.needsTools)) return {};
  const machines = files.some(({ path, testbed }) => path.endsWith(".full.test.ts") || testbed === "libvirt");
  await ensureTools({ need: machines ? ALL_TOOLS : TEST_TOOLS, onStep: print });
  await build();
  return {
    NATS_SERVER: process.env.NATS_SERVER ? await natsServerPath() : await natsServerOf("bookworm", { onStep: print }),
  };
}

/** A signal to the runner ends the running test files. The runner then cleans up and exits. */
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

/** Creates the disk image of real machines first: the network of their testbed reaches no Debian archive. */
async function createDisk(signal: AbortSignal): Promise<void> {
  const agentFile = join(root, "dist/agent/agent.mjs");
  const onProgress = ({ phase }: MakingProgress): boolean => print(`  ${phase}`);
  await withProgress("Making the builder's disk image", print, () =>
    ensureDiskImage({ cacheDir: folders().cache, agentFile, onProgress, signal }),
  );
}

type RunOptions = Omit<RunAllOptions, "prefix">;

/** Runs the files. For files with a testbed it starts that OpenStack first, and runs them in its network. */
async function runGroup(files: readonly TestFile[], options: RunOptions): Promise<FileResult[]> {
  const driver = files[0]?.testbed;
  if (driver === undefined) return runAll(files, { ...options, prefix: [] });
  // The network of a testbed reaches no Debian archive.
  await natsServerOf("trixie", { onStep: print });
  if (files.some(({ path }) => path.endsWith(".deploy.test.ts"))) await prepareDeployment(print);
  if (driver === "libvirt") await createDisk(options.signal);
  const testbed = await startTestbed({ driver, onStep: print, signal: options.signal });
  try {
    const env = { ...options.env, [TESTBED_PID]: String(testbed.box.pid) };
    return await runAll(files, { ...options, env, prefix: testbed.box.networkPrefix() });
  } finally {
    await testbed.stop();
  }
}

async function runFiles(files: readonly TestFile[], options: RunOptions): Promise<FileResult[]> {
  const results: FileResult[] = [];
  for (const testbed of [undefined, "fake", "libvirt"]) {
    const group = files.filter((file) => file.testbed === testbed);
    if (group.length > 0 && !options.signal.aborted) results.push(...(await runGroup(group, options)));
  }
  return results;
}

/** Prints the coverage table after the files have run. */
async function runWithCoverage(files: readonly TestFile[], options: RunOptions): Promise<FileResult[]> {
  const coverage = new Coverage(root);
  try {
    const results = await runFiles(files, { ...options, env: { ...options.env, ...coverage.env } });
    print(await coverage.table());
    return results;
  } finally {
    await coverage.remove();
  }
}

async function main(): Promise<{ totals: Totals; exitCode: number }> {
  const stop = stopOnSignals();
  const { output, coverage: measuresCoverage, ...selection } = readArguments();
  const skipsFail = !["", "0", "false"].includes(process.env.CI ?? "");
  if ((selection.openstack || selection.deploy) && process.getuid?.() !== 0) {
    print("skipped: the tests on OpenStack need root, for namespaces and mounts");
    return { totals: { passed: 0, failed: skipsFail ? 1 : 0 }, exitCode: skipsFail ? 1 : 0 };
  }
  const files = discover(root, selection);
  const results = await (measuresCoverage ? runWithCoverage : runFiles)(files, {
    root,
    env: await prepareEnvironment(files),
    skipsFail,
    signal: stop.signal,
    onResult: (result) => print(describeResult(result, output)),
  });
  const totals = sumOf(results);
  const notRun = files.length - results.length;
  if (notRun > 0) print(`interrupted: ${notRun} of ${files.length} files were not run`);
  const failed = Math.max(totals.failed, stop.exitCode() === undefined ? 0 : 1);
  return { totals: { ...totals, failed }, exitCode: stop.exitCode() ?? (failed > 0 ? 1 : 0) };
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
try {
  const { totals, exitCode } = await main();
  print(describeTotals(totals));
  process.exitCode = exitCode;
} catch (error) {
  const isExpected = error instanceof CbError;
  print(isExpected ? `error: ${error.message}` : `bug: ${error instanceof Error ? error.stack : String(error)}`);
  if (isExpected && error.hint !== undefined) print(`  ${error.hint}`);
  print(describeTotals({ passed: 0, failed: 1 }));
  process.exitCode = isExpected ? EXIT_CODES[error.kind] : EXIT_CODES.bug;
}

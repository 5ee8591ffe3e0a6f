/**
 * The test runner: `npm test [-- [--unit] [--slow] [--full] [--output] [PATTERN…]]` and
 * `npm run test:openstack [-- [--quick] [PATTERN…]]`.
 *
 * Each test file runs in a process of its own with a time limit (test/runner). The last line is `N passed, N failed`.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "../infra/tools/build.ts";
import { ensureTools } from "../infra/tools/setup/ensure-tools.ts";
import { natsServerPath } from "../infra/tools/setup/nats-server.ts";
import { ALL_TOOLS, TEST_TOOLS } from "../infra/tools/setup/packages.ts";
import { withProgress } from "../infra/tools/setup/run-command.ts";
import { folders } from "../lib/config/folders.ts";
import { CbError, EXIT_CODES, messageOf } from "../lib/core/errors.ts";
import { ensureDiskImage } from "../lib/provider/qemu/disk.ts";
import type { MakingProgress } from "../lib/provider/sandbox/make-once.ts";
import { TESTBED_PID } from "./openstack/testbed/box.ts";
import { startTestbed } from "./openstack/testbed/testbed.ts";
import { Coverage } from "./runner/coverage.ts";
import { discover, type TestFile } from "./runner/discover.ts";
import { describeResult, describeTotals, sumOf, type Totals } from "./runner/report.ts";
import { type RunAllOptions, runAll } from "./runner/run-all.ts";
import type { FileResult } from "./runner/run-file.ts";

const USAGE = `usage: npm test [-- [--unit] [--slow] [--full] [--output] [PATTERN...]], npm run test:openstack [-- [--quick] [PATTERN...]]
  PATTERN  part of a test file's path, or a glob with *
  --unit   only the tests that need no process and no tool
  --slow   the files with a line "// slow: WHY", and no others; a PATTERN means them too
  --full   also those, and the files named *.full.test.ts, which take minutes
  --output what passing files print too, such as what they measured
  --quick  of the OpenStack tests those that take a minute or two`;

/** As shells have it: 128 + the number of the signal. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const say = (line: string): boolean => process.stdout.write(`${line}\n`);

function readArguments() {
  try {
    const yes = { type: "boolean", default: false } as const;
    const options = { unit: yes, slow: yes, full: yes, output: yes, openstack: yes, quick: yes, coverage: yes };
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const { unit, slow, output, openstack, quick, coverage } = values;
    const full = openstack ? !quick : values.full;
    return { patterns: positionals, unitOnly: unit, slow, output, openstack, coverage, full };
  } catch (error) {
    throw new CbError("usage", messageOf(error), { hint: USAGE });
  }
}

/** Unit tests start nothing; for the others there must be the programs they run, foreign ones and our own, bundled. */
async function prepareEnvironment(files: readonly TestFile[]): Promise<Record<string, string>> {
  if (!files.some((file) => file.needsTools)) return {};
  const machines = files.some(({ path, testbed }) => path.endsWith(".full.test.ts") || testbed === "libvirt");
  await ensureTools({ need: machines ? ALL_TOOLS : TEST_TOOLS, onStep: say });
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

/** What real machines start from is made before: in the network of their testbed there is no Debian archive. */
async function makeDisk(signal: AbortSignal): Promise<void> {
  const agentFile = join(root, "dist/agent/agent.mjs");
  const onProgress = ({ phase }: MakingProgress): boolean => say(`  ${phase}`);
  await withProgress("Making the builder's disk image", say, () =>
    ensureDiskImage({ cacheDir: folders().cache, agentFile, onProgress, signal }),
  );
}

/** Runs the files, and around those that want one an OpenStack, in whose network they are. */
async function runGroup(files: readonly TestFile[], options: Omit<RunAllOptions, "prefix">): Promise<FileResult[]> {
  const driver = files[0]?.testbed;
  if (driver === undefined) return runAll(files, { ...options, prefix: [] });
  if (driver === "libvirt") await makeDisk(options.signal);
  const testbed = await startTestbed({ driver, onStep: say, signal: options.signal });
  try {
    const env = { ...options.env, [TESTBED_PID]: String(testbed.box.pid) };
    return await runAll(files, { ...options, env, prefix: testbed.box.networkPrefix() });
  } finally {
    await testbed.stop();
  }
}

async function main(): Promise<{ totals: Totals; exitCode: number }> {
  const stop = stopOnSignals();
  const { output, coverage: measured, ...selection } = readArguments();
  const skipsFail = !["", "0", "false"].includes(process.env.CI ?? "");
  if (selection.openstack && process.getuid?.() !== 0) {
    say("skipped: the OpenStack tests need root, for namespaces and mounts");
    return { totals: { passed: 0, failed: skipsFail ? 1 : 0 }, exitCode: skipsFail ? 1 : 0 };
  }
  const files = discover(root, selection);
  const coverage = measured ? new Coverage(root) : undefined;
  const env = { ...(await prepareEnvironment(files)), ...coverage?.env };
  const onResult = (result: FileResult): boolean => say(describeResult(result, output));
  const results: FileResult[] = [];
  for (const testbed of [undefined, "fake", "libvirt"]) {
    const group = files.filter((file) => file.testbed === testbed);
    const options = { root, env, skipsFail, signal: stop.signal, onResult };
    if (group.length > 0 && !stop.signal.aborted) results.push(...(await runGroup(group, options)));
  }
  if (coverage !== undefined) say(await coverage.table());
  await coverage?.remove();
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

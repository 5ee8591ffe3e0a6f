// alone: it checks which leftovers of test files are on the machine.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { discover } from "../../runner/discover.ts";
import { runAll } from "../../runner/run-all.ts";
import type { FileResult } from "../../runner/run-file.ts";

const test = suite("test/runner");
const root = new URL("../../..", import.meta.url).pathname;
const FOLDER = "test/runner/fixtures";
const fixtures = readdirSync(join(root, FOLDER), { recursive: true, encoding: "utf8" })
  // Only root may mount.
  .filter((name) => name.endsWith(".ts") && (!name.endsWith("leaves-mount.ts") || process.getuid?.() === 0))
  .map((name) => `${FOLDER}/${name}`);

/** Runs all fixtures in one run. The keys are the names of their files. */
async function runFixtures(): Promise<Map<string, FileResult>> {
  const files = discover(root, {
    patterns: fixtures,
    unitOnly: false,
    slow: false,
    full: false,
    openstack: false,
    deploy: false,
  });
  // 1.5 s is long enough for the hanging fixtures to start. The others keep their limit: a loaded machine starts them slowly.
  const limited = files.map((file) => (file.path.includes("/hangs") ? { ...file, timeoutMs: 1500 } : file));
  const { signal } = new AbortController();
  const results = await runAll(limited, { root, prefix: [], env: {}, skipsFail: true, signal, onResult: () => {} });
  return new Map(results.map((result) => [result.file.path.replace(/^.*\/|\.ts$/g, ""), result]));
}

let running: Promise<Map<string, FileResult>> | undefined;
async function resultOf(name: string): Promise<FileResult> {
  running ??= runFixtures();
  const result = (await running).get(name);
  if (result === undefined) throw new Error(`no fixture ${name}`);
  return result;
}

async function assertFails(name: string, expected: { passed: number; failed: number; problem: RegExp }): Promise<void> {
  const { verdict } = await resultOf(name);
  assert.is(verdict.passed, expected.passed, `${name}: passed`);
  assert.is(verdict.failed, expected.failed, `${name}: failed`);
  assert.match(verdict.problems.join("\n"), expected.problem);
}

test("a file passes when its tests pass", async () => {
  const { verdict } = await resultOf("good");
  assert.equal(verdict, { passed: 2, failed: 0, skipped: 0, problems: [] });
});

test("a file fails when a test fails, and keeps its output", async () => {
  await assertFails("one-fails", { passed: 1, failed: 1, problem: /1 of 2 tests did not pass/ });
  assert.match((await resultOf("one-fails")).output, /Expected values to be strictly equal/);
});

test("a before hook that throws fails every test of its suite", async () => {
  await assertFails("before-throws", { passed: 0, failed: 2, problem: /2 of 2 tests did not pass/ });
});

test("an after.each hook that throws fails its test", async () => {
  await assertFails("after-each-throws", { passed: 0, failed: 1, problem: /1 of 1 tests did not pass/ });
});

test("a test that throws a value that is no Error fails, and so do the tests after it", async () => {
  await assertFails("no-error-thrown", { passed: 0, failed: 2, problem: /2 of 2/ });
  assert.match((await resultOf("no-error-thrown")).output, /uvu does not report the error/);
});

test("a suite that is never run fails the file", async () => {
  await assertFails("run-forgotten", { passed: 1, failed: 1, problem: /is a run\(\) missing/ });
});

test("a file without tests and a file without a suite fail", async () => {
  await assertFails("no-tests", { passed: 0, failed: 1, problem: /has no tests/ });
  await assertFails("no-suite", { passed: 0, failed: 1, problem: /has no tests/ });
});

test("a file that throws at import fails, with the error", async () => {
  await assertFails("import-throws", { passed: 0, failed: 1, problem: /ended before its last suite/ });
  assert.match((await resultOf("import-throws")).output, /thrown at import/);
});

test("a test that exits the process with code 0 fails", async () => {
  await assertFails("exits-early", { passed: 0, failed: 1, problem: /ended before its last suite.*code 0/ });
});

test("an exit code and a late rejection fail a file when every test passed", async () => {
  await assertFails("exit-code", { passed: 1, failed: 1, problem: /exit code is 3/ });
  await assertFails("rejects-late", { passed: 1, failed: 1, problem: /exit code is 1/ });
});

test("a skipped test fails when skipsFail is set", async () => {
  await assertFails("skips", { passed: 1, failed: 1, problem: /1 tests were skipped/ });
});

test("a hanging test fails at its time limit", async () => {
  await assertFails("hangs", { passed: 0, failed: 1, problem: /did not end within 1.5 s/ });
});

test("the runner kills the children of a hanging test, also one in another session that ignores SIGTERM", async () => {
  await assertFails("hangs-with-child", { passed: 0, failed: 1, problem: /did not end within 1.5 s/ });
});

test("a file fails when its process does not exit after the last test", async () => {
  await assertFails("open-handle", { passed: 1, failed: 1, problem: /something kept it alive/ });
});

test("a file fails when it leaves a process behind, and the report names it", async () => {
  await assertFails("leaves-process", { passed: 1, failed: 1, problem: /left a process behind: \d+ sleep 321/ });
});

test("a file fails when it leaves a hiding process behind that keeps the output open", async () => {
  await assertFails("leaves-hiding-process", { passed: 1, failed: 1, problem: /left a process behind that hides/ });
});

test("a file fails when it leaves a file behind, and the report names it", async () => {
  await assertFails("leaves-file", { passed: 1, failed: 1, problem: /left a file .*: forgotten-/ });
});

test("a file fails when it leaves a mount behind; the report names it and the runner unmounts it", async () => {
  if (process.getuid?.() !== 0) return;
  await assertFails("leaves-mount", { passed: 1, failed: 2, problem: /left a mount behind: .*\/mounted/ });
  assert.not(readFileSync("/proc/self/mountinfo", "utf8").includes("/tmp/mounted"));
});

test("a test has its own home and temporary folder", async () => {
  assert.is((await resultOf("isolated")).verdict.failed, 0, (await resultOf("isolated")).output);
});

interface Finished {
  readonly code: number | null;
  readonly lines: readonly string[];
}

async function finish(child: ChildProcess): Promise<Finished> {
  let printed = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    printed += chunk;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, lines: printed.trimEnd().split("\n") };
}

/** Runs the command in its own temporary folder, and checks that the folder is empty afterwards. */
async function runCommandLine(
  args: readonly string[],
  during?: (child: ChildProcess, folder: string) => Promise<void>,
) {
  const folder = mkdtempSync(join(tmpdir(), "cli-"));
  try {
    const env = { ...process.env, TMPDIR: folder, FIXTURE_READY: join(folder, "ready"), CI: "" };
    const program = [join(root, "infra/tools/start.mjs"), join(root, "test/run.ts"), ...args];
    const child = spawn(process.execPath, program, { env, cwd: root, stdio: ["ignore", "pipe", "inherit"] });
    const finished = finish(child);
    await during?.(child, folder);
    const result = await finished;
    assert.equal(
      readdirSync(folder).filter((name) => !name.startsWith("tsx-") && name !== "ready"),
      [],
    );
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function created(folder: string, name: string): Promise<void> {
  const watcher = watch(folder);
  while (!existsSync(join(folder, name))) await once(watcher, "change");
  watcher.close();
}

test("the command prints the totals last and exits with 0 or 1", async () => {
  const good = await runCommandLine([`${FOLDER}/passing/good.ts`, `${FOLDER}/passing/skips.ts`]);
  assert.is(good.lines.at(-1), "3 passed, 0 failed");
  assert.is(good.code, 0);
  const bad = await runCommandLine([`${FOLDER}/passing/good.ts`, `${FOLDER}/failing/one-fails.ts`]);
  assert.is(bad.lines.at(-1), "3 passed, 1 failed");
  assert.is(bad.code, 1);
});

test("the command exits with 64 when an option is unknown or no file matches", async () => {
  for (const args of [["--frobnicate"], ["no such test"]]) {
    const { code, lines } = await runCommandLine(args);
    assert.is(code, 64);
    assert.is(lines.at(-1), "0 passed, 1 failed");
  }
});

for (const [name, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test(`the command ends the test's processes on ${name}, and prints the totals`, async () => {
    let pid = 0;
    const { code: ended, lines } = await runCommandLine(
      [`${FOLDER}/lingering/hangs-with-child.ts`],
      async (child, folder) => {
        await created(folder, "ready");
        pid = Number(readFileSync(join(folder, "ready"), "utf8"));
        child.kill(name);
      },
    );
    assert.is(ended, code);
    assert.is(lines.at(-1), "0 passed, 1 failed");
    assert.ok(pid > 1);
    assert.not(existsSync(`/proc/${pid}/exe`));
  });
}

test.run();

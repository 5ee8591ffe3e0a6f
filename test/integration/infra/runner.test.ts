// alone: it looks for what test files leave on the machine.
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
const fixtures = readdirSync(join(root, "test/runner/fixtures"))
  // Mounting is root's; the others run as anybody.
  .filter((name) => name !== "leaves-mount.ts" || process.getuid?.() === 0)
  .map((name) => `test/runner/fixtures/${name}`);

/** All fixtures in one run, by the names of their files. */
async function runFixtures(): Promise<Map<string, FileResult>> {
  const files = discover(root, { patterns: fixtures, unitOnly: false, slow: false, full: false, openstack: false });
  // Long enough for the hanging ones to begin; the others end by themselves, and a loaded machine starts them slowly.
  const brief = files.map((file) => (file.path.includes("/hangs") ? { ...file, timeoutMs: 1500 } : file));
  const { signal } = new AbortController();
  const results = await runAll(brief, { root, prefix: [], env: {}, skipsFail: true, signal, onResult: () => {} });
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

test("a file whose tests pass passes", async () => {
  const { verdict } = await resultOf("good");
  assert.equal(verdict, { passed: 2, failed: 0, skipped: 0, problems: [] });
});

test("a failing test fails, and its output is kept", async () => {
  await assertFails("one-fails", { passed: 1, failed: 1, problem: /1 of 2 tests did not pass/ });
  assert.match((await resultOf("one-fails")).output, /Expected values to be strictly equal/);
});

test("a throwing before hook fails every test of its suite", async () => {
  await assertFails("before-throws", { passed: 0, failed: 2, problem: /2 of 2 tests did not pass/ });
});

test("a throwing after.each hook fails", async () => {
  await assertFails("after-each-throws", { passed: 0, failed: 1, problem: /1 of 1 tests did not pass/ });
});

test("a test that throws something that is no Error fails, with those after it", async () => {
  await assertFails("no-error-thrown", { passed: 0, failed: 2, problem: /2 of 2/ });
  assert.match((await resultOf("no-error-thrown")).output, /uvu does not show why/);
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

test("a test that ends the process with 0 fails", async () => {
  await assertFails("exits-early", { passed: 0, failed: 1, problem: /ended before its last suite.*code 0/ });
});

test("an exit code and a late rejection fail although every test passed", async () => {
  await assertFails("exit-code", { passed: 1, failed: 1, problem: /exit code is 3/ });
  await assertFails("rejects-late", { passed: 1, failed: 1, problem: /exit code is 1/ });
});

test("a skipped test fails where skipping is not allowed", async () => {
  await assertFails("skips", { passed: 1, failed: 1, problem: /1 tests were skipped/ });
});

test("a hanging test fails when its time is up", async () => {
  await assertFails("hangs", { passed: 0, failed: 1, problem: /did not end within 1.5 s/ });
});

test("a hanging test takes its children with it, also one in another session that ignores SIGTERM", async () => {
  await assertFails("hangs-with-child", { passed: 0, failed: 1, problem: /did not end within 1.5 s/ });
});

test("a process held open after the last test fails", async () => {
  await assertFails("open-handle", { passed: 1, failed: 1, problem: /something kept it alive/ });
});

test("a process left behind fails, and is named", async () => {
  await assertFails("leaves-process", { passed: 1, failed: 1, problem: /left a process behind: \d+ sleep 321/ });
});

test("a process left behind that hides fails, because it holds the output", async () => {
  await assertFails("leaves-hiding-process", { passed: 1, failed: 1, problem: /left a process behind that hides/ });
});

test("a file left behind fails, and is named", async () => {
  await assertFails("leaves-file", { passed: 1, failed: 1, problem: /left a file .*: forgotten-/ });
});

test("a mount left behind fails, is named and is taken away", async () => {
  if (process.getuid?.() !== 0) return;
  await assertFails("leaves-mount", { passed: 1, failed: 2, problem: /left a mount behind: .*\/mounted/ });
  assert.not(readFileSync("/proc/self/mountinfo", "utf8").includes("/tmp/mounted"));
});

test("a test finds a home and a temporary folder of its own", async () => {
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

/** The whole command, in a temporary folder of its own, which is empty again afterwards. */
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

async function appears(folder: string, name: string): Promise<void> {
  const watcher = watch(folder);
  while (!existsSync(join(folder, name))) await once(watcher, "change");
  watcher.close();
}

test("the command ends with the totals and the right exit code", async () => {
  const good = await runCommandLine(["test/runner/fixtures/good.ts", "test/runner/fixtures/skips.ts"]);
  assert.is(good.lines.at(-1), "3 passed, 0 failed");
  assert.is(good.code, 0);
  const bad = await runCommandLine(["test/runner/fixtures/good.ts", "test/runner/fixtures/one-fails.ts"]);
  assert.is(bad.lines.at(-1), "3 passed, 1 failed");
  assert.is(bad.code, 1);
});

test("the command says how it is called when an option is unknown or nothing matches", async () => {
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
  test(`the command ends the test's processes on ${name}, and still says the totals`, async () => {
    let pid = 0;
    const { code: ended, lines } = await runCommandLine(
      ["test/runner/fixtures/hangs-with-child.ts"],
      async (child, folder) => {
        await appears(folder, "ready");
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

/** Runs real programs with runBuild(), on real pipes and terminals. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BuildExit, type BuildOptions, runBuild } from "../../../agent/run-build.ts";
import { Terminal } from "../../../agent/terminal.ts";
import { rejection } from "../../support/rejection.ts";
import { until } from "../../support/until.ts";

const test = suite<{ folder: string }>("run-build");

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "cb-run-build-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

/**
 * Runs `script` with sh, which is dash here: in bash (5.2) a SIGWINCH during its own trap disables the trap for good.
 */
const step = (name: string, script: string) => ({ name, argv: ["sh", "-c", script] });

/** A running build; a test can wait for its output. */
class RunningBuild {
  text = "";
  readonly exit: Promise<BuildExit>;
  #changed = () => {};

  constructor(scripts: readonly string[], options: Partial<BuildOptions>) {
    const steps = scripts.map((script, n) => step(`program ${n}`, script));
    this.exit = runBuild(steps, {
      cwd: "/",
      env: { PATH: process.env.PATH ?? "", TERM: "xterm" },
      limitMs: 60_000,
      signal: new AbortController().signal,
      write: async (chunk) => {
        this.text += Buffer.from(chunk).toString();
        this.#changed();
      },
      ...options,
    });
  }

  printed(pattern: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#changed = () => pattern.test(this.text) && resolve();
      this.#changed();
      this.exit.then(() => reject(new Error(`ended without ${pattern}: ${this.text}`)), reject);
    });
  }
}

test("runBuild() runs the programs in turn with one output, and stops after the first failure", async () => {
  const all = new RunningBuild(["echo one; echo err >&2", "echo two"], {});
  assert.equal(await all.exit, { code: 0, reason: "" });
  assert.is(all.text, "one\nerr\ntwo\n");
  const failing = new RunningBuild(["echo one", "exit 3", "echo three"], {});
  assert.equal(await failing.exit, { code: 3, reason: "program 1 ended with exit code 3" });
  assert.is(failing.text, "one\n");
});

test("runBuild() names a program that cannot be started, and the error code", async ({ folder }) => {
  const build = new RunningBuild(["echo one"], { cwd: join(folder, "missing") });
  const error = await build.exit.catch((thrown: Error) => thrown);
  assert.is((error as Error).message, "program 0 could not be started (ENOENT)");
});

test("runBuild() reports a fault of the builder when it cannot execute a program, or cannot read its output", async ({
  folder,
}) => {
  const path = join(folder, "no-program");
  writeFileSync(path, "x", { mode: 0o644 });
  const terminal = await Terminal.open(join(folder, "terminal"), { columns: 80, rows: 24 });
  const env = { PATH: folder };
  const run = (argv: string[], more: Partial<BuildOptions> = {}) => {
    const signal = new AbortController().signal;
    const options = { cwd: "/", env: { PATH: process.env.PATH ?? "" }, limitMs: 60_000, signal, ...more };
    return rejection(runBuild([{ name: "a program", argv }], { write: async () => undefined, ...options }));
  };
  for (const argv of [[path], [join(folder, "missing")]]) {
    assert.is(String(await run(argv)), "CbError: a program could not be started");
  }
  // The builder has no script(1), and no cat(1).
  assert.is(String(await run(["sh"], { terminal, env })), "CbError: a program could not be started");
  const endless = ["/bin/sh", "-c", "while :; do echo line; done"];
  assert.is(String(await run(endless, { env })), "CbError: a program lost the program that reads its output");
});

test("runBuild() applies one time limit to all programs together", async ({ folder }) => {
  const mark = join(folder, "third");
  // Each program is within the limit, all together are beyond it.
  const build = new RunningBuild(["sleep 0.3", "sleep 0.3", `sleep 0.3; touch ${mark}`], { limitMs: 600 });
  assert.equal(await build.exit, { code: 124, reason: "ran for 0.01 minutes, the limit" });
  assert.is(existsSync(mark), false);
});

test("runBuild() kills a program that exceeds the time limit", async () => {
  const startedMs = performance.now();
  const build = new RunningBuild(["sleep 60"], { limitMs: 600 });
  assert.is((await build.exit).code, 124);
  assert.ok(performance.now() - startedMs < 30_000, "runBuild() waited for the program");
});

test("runBuild() kills the running program when its signal is aborted, and starts no further program", async ({
  folder,
}) => {
  for (const onTerminal of [false, true]) {
    const terminal = onTerminal ? await Terminal.open(join(folder, "terminal"), { columns: 80, rows: 24 }) : undefined;
    const startedMs = performance.now();
    const stop = new AbortController();
    const mark = join(folder, "third");
    const build = new RunningBuild(["echo one", "echo pid $$; sleep 60", `touch ${mark}`], {
      signal: stop.signal,
      terminal,
    });
    await build.printed(/pid (\d+)/);
    stop.abort(new Error("cancelled by a test"));
    const error = await build.exit.catch((thrown: Error) => thrown);
    assert.is((error as Error).message, "cancelled by a test");
    assert.ok(performance.now() - startedMs < 30_000, "runBuild() waited for the program");
    assert.is(existsSync(mark), false);
  }
});

const SIZE = { columns: 77, rows: 22 };

test("a program on a terminal starts with its size", async ({ folder }) => {
  const terminal = await Terminal.open(join(folder, "a folder's name"), SIZE);
  const build = new RunningBuild(["stty size <&1; [ -t 1 ] && [ -t 2 ] && echo 'both' \"outputs\""], { terminal });
  assert.equal(await build.exit, { code: 0, reason: "" });
  assert.is(build.text, "22 77\r\nboth outputs\r\n");
});

/**
 * Each fails at once. The last ones read from the output, as a pager does when it finds no other terminal. All but one are made
 * twice: script(1) sends one end of input to a terminal that offers input, so only the second read would wait for ever.
 */
const READ_ATTEMPTS: readonly string[] = [
  // In the initial user namespace root can take the terminal from the shell that holds it.
  'setsid -c sh -c "read a </dev/tty" <&1',
  ...[
    "read a </dev/tty",
    "read a",
    "{ read a </dev/tty; } & wait $!",
    'setsid sh -c "read a </dev/tty"',
    "read a <&1",
    "read a <&2",
  ].map((attempt) => `${attempt}; ${attempt}`),
];

test("a program has no input, on a terminal as on a pipe", async ({ folder }) => {
  for (const terminal of [await Terminal.open(join(folder, "terminal"), SIZE), undefined]) {
    for (const attempt of READ_ATTEMPTS) {
      const build = new RunningBuild([attempt], { terminal, limitMs: 10_000 });
      const { code, reason } = await build.exit;
      assert.ok(code !== 0 && code !== 124, `${attempt}: ${reason}`);
    }
  }
});

test("a program can open its output by name, on a terminal as on a pipe", async ({ folder }) => {
  for (const terminal of [await Terminal.open(join(folder, "terminal"), SIZE), undefined]) {
    const script =
      "echo one >/dev/stdout; echo two >>/dev/stderr; echo three | tee /dev/stderr; echo four >/proc/self/fd/1";
    const build = new RunningBuild([script], { terminal });
    assert.equal(await build.exit, { code: 0, reason: "" });
    assert.is(build.text.replaceAll("\r", ""), "one\ntwo\nthree\nthree\nfour\n");
  }
});

test("a program on a terminal reacts to SIGINT, and its exit code is that of a program on a pipe", async ({
  folder,
}) => {
  const terminal = await Terminal.open(join(folder, "terminal"), SIZE);
  for (const [script, code] of [
    ["exit 7", 7],
    ["kill -INT $$; exit 9", 130],
    ["kill -TERM $$; exit 9", 143],
  ] as const) {
    assert.is((await new RunningBuild([script], { terminal }).exit).code, code, script);
  }
});

test("an abort and the time limit kill the processes of a program on a terminal", async ({ folder }) => {
  const terminal = await Terminal.open(join(folder, "terminal"), SIZE);
  const build = new RunningBuild(["sleep 1000 & echo pid $!; wait"], { terminal, limitMs: 2000 });
  await build.printed(/pid (\d+)/);
  const pid = Number(/pid (\d+)/.exec(build.text)?.[1]);
  assert.is((await build.exit).code, 124);
  await until("the process has ended", async () => !existsSync(`/proc/${pid}`));
});

/** A script that prints the terminal's size at its start and at each SIGWINCH, until the file `end` exists. */
const printingSizes = (end: string) =>
  `trap 'echo now $(stty size <&2)' WINCH; echo begins $(stty size <&2); until [ -e ${end} ]; do sleep 0.02; done`;

test("resize() resizes the running program's terminal, and the next program starts with the new size", async ({
  folder,
}) => {
  const terminal = await Terminal.open(join(folder, "terminal"), SIZE);
  const end = join(folder, "end");
  const build = new RunningBuild([printingSizes(end), "echo second $(stty size <&2)"], { terminal });
  await build.printed(/begins 22 77/);
  await terminal.resize({ columns: 120, rows: 40 });
  await build.printed(/now 40 120/);
  await terminal.resize({ columns: 60, rows: 10 });
  await build.printed(/now 10 60/);
  writeFileSync(end, "");
  assert.is((await build.exit).code, 0);
  assert.match(build.text, /second 10 60/);
});

test("resize() before the first program or between two programs sets the size of the next", async ({ folder }) => {
  const terminal = await Terminal.open(join(folder, "terminal"), SIZE);
  for (const [size, shown] of [
    [{ columns: 50, rows: 20 }, "20 50"],
    [{ columns: 51, rows: 21 }, "21 51"],
  ] as const) {
    await terminal.resize(size);
    const build = new RunningBuild(["stty size <&1"], { terminal });
    await build.exit;
    assert.is(build.text, `${shown}\r\n`);
  }
});

test("resize() overrides a shell that has read the old size and not set it yet", async ({ folder }) => {
  const go = join(folder, "go");
  const slow = `#!/bin/sh\n[ -e ${go} ] || echo setting "$@"\nuntil [ -e ${go} ]; do sleep 0.02; done\nPATH=$REST exec stty "$@"\n`;
  writeFileSync(join(folder, "stty"), slow, { mode: 0o755 });
  const REST = process.env.PATH ?? "";
  const terminal = await Terminal.open(join(folder, "terminal"), SIZE);
  const build = new RunningBuild(["stty size <&1"], { terminal, env: { PATH: `${folder}:${REST}`, REST } });
  await build.printed(/setting cols 77 rows 22/);
  await terminal.resize({ columns: 60, rows: 10 });
  writeFileSync(go, "");
  await build.exit;
  assert.match(build.text, /\n10 60\r\n$/);
});

test.run();

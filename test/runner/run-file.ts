/** Runs one test file in a process, a session and a temporary folder of its own, and judges how it ended. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { folders } from "../../lib/config/folders.ts";
import { CbError } from "../../lib/core/errors.ts";
import type { TestFile } from "./discover.ts";
import {
  findLastingProcesses,
  findMounts,
  killProcesses,
  MARK,
  removeFolder,
  sendSignal,
  type Traces,
} from "./leftovers.ts";
import { type SuiteCount, type Verdict, verdictOf } from "./verdict.ts";

/** Enough for the failures of a file; a test that prints for ever must not fill the memory. */
const KEPT_BYTES = 64 * 1024;
/** A test file whose suites are through has this long to end by itself. */
const EXIT_GRACE_MS = 3000;
/** Between SIGTERM, which lets a test clean up, and SIGKILL. */
const TERM_GRACE_MS = 3000;
/** Nobody is left who could hold the output open, unless a process has shed its mark, its session and its folder. */
const PIPE_GRACE_MS = 2000;
/** Those of the person who runs the tests must not decide where a test connects. */
const NOT_FOR_TESTS = ["NATS_URL", "NATS_CREDS", "QUEUE_HOST", "FORCE_COLOR", "NODE_OPTIONS"];

export interface RunOptions {
  /** The project's root. */
  readonly root: string;
  /** Of Node, to run the file. */
  readonly argv: readonly string[];
  /** Made for this file alone, removed at the end. Short: sockets in it have 108 bytes for their path. */
  readonly folder: string;
  /** Unique to this file in this run. */
  readonly mark: string;
  readonly skipsFail: boolean;
  /** Words before the command that runs the file, such as those that put it into another network. */
  readonly prefix: readonly string[];
  /** Added to the environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Ends the file early; its reason is shown. */
  readonly signal: AbortSignal;
}

export interface FileResult {
  readonly file: TestFile;
  readonly verdict: Verdict;
  /** The end of what it printed. */
  readonly output: string;
  readonly tookMs: number;
}

export async function runFile(file: TestFile, options: RunOptions): Promise<FileResult> {
  const startedMs = performance.now();
  const { root, folder, skipsFail, signal } = options;
  const outer = process.env[MARK];
  const mark = outer === undefined ? options.mark : `${outer}/${options.mark}`;
  const env = prepare(options, mark);
  const [program = "", ...argv] = [...options.prefix, process.execPath, ...options.argv];
  const child = spawn(program, argv, {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    detached: true,
  });
  if (child.pid === undefined) throw new CbError("infrastructure", `cannot start ${program}`);
  const session = child.pid;
  const reading = read(child);
  const { exit, stopped } = await guard(child, session, {
    timeoutMs: file.timeoutMs,
    signal,
    counted: reading.counted,
  });

  const traces = { mark, session, folder };
  const leftovers: string[] = [];
  if (stopped === undefined) leftovers.push(...(await listLeftovers(traces)));
  await killProcesses(traces);
  if (!(await reading.closedWithin(PIPE_GRACE_MS)))
    leftovers.push("left a process behind that hides: it holds the output");
  const notRemoved = await removeFolder(folder);
  if (notRemoved !== undefined) leftovers.push(notRemoved);

  const { suites, output } = reading.result();
  const verdict = verdictOf({ suites, declaredSuites: file.declaredSuites, exit, stopped, leftovers, skipsFail });
  return { file, verdict, output, tookMs: performance.now() - startedMs };
}

/** Makes the folder, and an environment in which a test finds nothing of the person who runs it but the cache. */
function prepare({ folder, env }: RunOptions, mark: string): NodeJS.ProcessEnv {
  const [home, temporary] = [join(folder, "home"), join(folder, "tmp")];
  for (const path of [folder, home, temporary]) mkdirSync(path, { recursive: true });
  // The mapped root of a sandbox must get through to what a test prepares for it, as it gets through the real /tmp.
  chmodSync(folder, 0o711);
  chmodSync(temporary, 0o1777);
  shareCompiled(temporary);
  const base = Object.entries(process.env).filter(([name]) => !NOT_FOR_TESTS.includes(name));
  return {
    ...Object.fromEntries(base),
    ...env,
    HOME: home,
    XDG_CONFIG_HOME: join(home, ".config"),
    XDG_STATE_HOME: join(home, ".local/state"),
    XDG_RUNTIME_DIR: join(home, "run"),
    XDG_CACHE_HOME: dirname(folders().cache),
    TMPDIR: temporary,
    NO_COLOR: "1",
    [MARK]: mark,
  };
}

/** tsx keeps what it has compiled in the temporary folder; shared, each process starts without compiling again. */
function shareCompiled(temporary: string): void {
  const name = `tsx-${process.geteuid?.() ?? ""}`;
  mkdirSync(join(tmpdir(), name), { recursive: true });
  symlinkSync(join(tmpdir(), name), join(temporary, name));
}

async function listLeftovers(traces: Traces): Promise<string[]> {
  const processes = await findLastingProcesses(traces);
  const mounts = findMounts(traces.folder);
  const files = readdirSync(join(traces.folder, "tmp")).filter((name) => !/^tsx-|^node-compile-cache$/.test(name));
  return [
    ...processes.map(({ pid, command }) => `left a process behind: ${pid} ${command.slice(0, 200)}`),
    ...mounts.map((point) => `left a mount behind: ${point}`),
    ...files.map((name) => `left a file behind in the temporary folder: ${name}`),
  ];
}

interface Reading {
  /** Resolves when the suites' counts are there. */
  readonly counted: Promise<void>;
  /** Whether everybody has let go of the pipes; gives them up if not. */
  closedWithin(ms: number): Promise<boolean>;
  result(): { suites: readonly SuiteCount[] | undefined; output: string };
}

function read(child: ChildProcess): Reading {
  let output = "";
  let record = "";
  const keep = (chunk: string): void => {
    output = (output + chunk).slice(-KEPT_BYTES);
  };
  child.stdout?.setEncoding("utf8").on("data", keep);
  child.stderr?.setEncoding("utf8").on("data", keep);
  const counts = child.stdio[3];
  const counted = new Promise<void>((resolve) => {
    counts?.on("data", (chunk: Buffer) => {
      record += chunk.toString();
      if (record.endsWith("\n")) resolve();
    });
  });
  const closed = new Promise<true>((resolve) => child.once("close", () => resolve(true)));
  const closedWithin = async (ms: number): Promise<boolean> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    const inTime = await Promise.race([closed, late]);
    clearTimeout(timer);
    if (!inTime) for (const stream of child.stdio) stream?.destroy();
    return inTime;
  };
  const result = () => ({ suites: record.endsWith("\n") ? (JSON.parse(record) as SuiteCount[]) : undefined, output });
  return { counted, closedWithin, result };
}

interface Limits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly counted: Promise<void>;
}

/** Waits for the process to end, and ends its whole group when it takes too long or the run is interrupted. */
async function guard(child: ChildProcess, session: number, { timeoutMs, signal, counted }: Limits) {
  let stopped: string | undefined;
  const timers: NodeJS.Timeout[] = [];
  const stop = (why: string): void => {
    if (stopped !== undefined) return;
    stopped = why;
    sendSignal(-session, "SIGTERM");
    timers.push(setTimeout(() => sendSignal(-session, "SIGKILL"), TERM_GRACE_MS));
  };
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("exit", (code, by) => resolve({ code, signal: by }));
  });
  const onAbort = (): void => stop(String(signal.reason));
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  timers.push(setTimeout(() => stop(`it did not end within ${timeoutMs / 1000} s`), timeoutMs));
  void counted.then(() => {
    const why = `something kept it alive after its last test (${EXIT_GRACE_MS / 1000} s)`;
    timers.push(setTimeout(() => stop(why), EXIT_GRACE_MS));
  });
  const exit = await exited;
  for (const timer of timers) clearTimeout(timer);
  signal.removeEventListener("abort", onAbort);
  return { exit, stopped };
}

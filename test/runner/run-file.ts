/** Runs one test file in its own process, session and temporary folder, and decides whether it passed. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { folders } from "../../lib/config/folders.ts";
import { CbError } from "../../lib/core/errors.ts";
import { signalProcess } from "../../lib/core/signal-process.ts";
import type { TestFile } from "./discover.ts";
import { findLastingProcesses, findMounts, killProcesses, MARK, removeFolder, type Traces } from "./leftovers.ts";
import { type SuiteCount, type Verdict, verdictOf } from "./verdict.ts";

/** Holds the failures of a file, and bounds the memory for a test that prints endlessly. */
const KEPT_BYTES = 64 * 1024;
/** From the end of the last suite to the exit of the process. */
const EXIT_GRACE_MS = 3000;
/** From SIGTERM, after which a test may clean up, to SIGKILL. */
const TERM_GRACE_MS = 3000;
/** All marked processes have been killed, so the output closes, unless a process without mark, session and folder holds it. */
const PIPE_GRACE_MS = 2000;
/** A test must not inherit these from the user: they would change where it connects, or its output. */
const NOT_FOR_TESTS = ["NATS_URL", "NATS_CREDS", "QUEUE_HOST", "FORCE_COLOR", "NODE_OPTIONS"];

export interface RunFileOptions {
  /** The root of the project. */
  readonly root: string;
  /** The arguments for Node that run the file. */
  readonly argv: readonly string[];
  /** Created for this file and removed at the end. Short, because the path of a socket has at most 108 bytes (unix(7)). */
  readonly folder: string;
  /** Unique for each file of a run. */
  readonly mark: string;
  readonly skipsFail: boolean;
  /** Prepended to the command that runs the file, as `nsenter …` to run it in another network. */
  readonly prefix: readonly string[];
  /** Added to the environment. */
  readonly env: Readonly<Record<string, string>>;
  /** An abort ends the file early; the report shows the reason. */
  readonly signal: AbortSignal;
}

export interface FileResult {
  readonly file: TestFile;
  readonly verdict: Verdict;
  /** The last 64 KiB of its output. */
  readonly output: string;
  readonly tookMs: number;
}

export async function runFile(file: TestFile, options: RunFileOptions): Promise<FileResult> {
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
    leftovers.push("left a process behind that hides: it keeps the output open");
  const notRemoved = await removeFolder(folder);
  if (notRemoved !== undefined) leftovers.push(notRemoved);

  const { suites, output } = reading.result();
  const verdict = verdictOf({ suites, declaredSuites: file.declaredSuites, exit, stopped, leftovers, skipsFail });
  return { file, verdict, output, tookMs: performance.now() - startedMs };
}

/** Creates the folder, and an environment that shares nothing with the user's but the cache folder. */
function prepare({ folder, env }: RunFileOptions, mark: string): NodeJS.ProcessEnv {
  const [home, temporary] = [join(folder, "home"), join(folder, "tmp")];
  for (const path of [folder, home, temporary]) mkdirSync(path, { recursive: true });
  // The mapped root of a sandbox must be able to reach the files of a test in it, as in the real /tmp.
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

/** tsx caches compiled files in the temporary folder. The test files share that cache, so that no process compiles again. */
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
  /** Resolves when the process has written the counts of its suites. */
  readonly counted: Promise<void>;
  /** Returns whether every process closes the pipes within `ms`, and destroys the pipes if not. */
  closedWithin(ms: number): Promise<boolean>;
  result(): { suites: readonly SuiteCount[] | undefined; output: string };
}

function read(child: ChildProcess): Reading {
  let output = "";
  let record = "";
  const append = (chunk: string): void => {
    output = (output + chunk).slice(-KEPT_BYTES);
  };
  child.stdout?.setEncoding("utf8").on("data", append);
  child.stderr?.setEncoding("utf8").on("data", append);
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
    const timeout = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    const isClosed = await Promise.race([closed, timeout]);
    clearTimeout(timer);
    if (!isClosed) for (const stream of child.stdio) stream?.destroy();
    return isClosed;
  };
  const result = () => ({ suites: record.endsWith("\n") ? (JSON.parse(record) as SuiteCount[]) : undefined, output });
  return { counted, closedWithin, result };
}

interface Limits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly counted: Promise<void>;
}

/** Waits until the process exits. Ends its process group at the time limit, or when the run is interrupted. */
async function guard(child: ChildProcess, session: number, { timeoutMs, signal, counted }: Limits) {
  let stopped: string | undefined;
  const timers: NodeJS.Timeout[] = [];
  const stop = (reason: string): void => {
    if (stopped !== undefined) return;
    stopped = reason;
    signalProcess(-session, "SIGTERM");
    timers.push(setTimeout(() => signalProcess(-session, "SIGKILL"), TERM_GRACE_MS));
  };
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("exit", (code, by) => resolve({ code, signal: by }));
  });
  const onAbort = (): void => stop(String(signal.reason));
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  timers.push(setTimeout(() => stop(`it did not end within ${timeoutMs / 1000} s`), timeoutMs));
  void counted.then(() => {
    const reason = `something kept it alive after its last test (${EXIT_GRACE_MS / 1000} s)`;
    timers.push(setTimeout(() => stop(reason), EXIT_GRACE_MS));
  });
  const exit = await exited;
  for (const timer of timers) clearTimeout(timer);
  signal.removeEventListener("abort", onAbort);
  return { exit, stopped };
}

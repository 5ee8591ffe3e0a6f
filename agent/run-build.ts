/** Runs the programs of a build as root, and passes on their output byte by byte and in order. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { CbError, codeOf, messageOf } from "../lib/core/errors.ts";
import { signalProcess } from "../lib/core/signal-process.ts";
import type { Step } from "./steps.ts";
import type { Terminal } from "./terminal.ts";

export interface BuildOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Present: each program runs on a pty of this terminal's size. */
  readonly terminal?: Terminal | undefined;
  /** Time limit for all programs of the build together. */
  readonly limitMs: number;
  /** When the limit begins, by performance.now(). Default: now. */
  readonly startedMs?: number;
  /** Receives the output. It is awaited, so a slow receiver slows the build down. */
  readonly write: (chunk: Uint8Array) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface BuildExit {
  readonly code: number;
  /** Empty when the last program exited with 0. */
  readonly reason: string;
}

/**
 * Runs the steps until one fails, and returns how the last one ended. An abort of `signal` kills the running program.
 * Rejects with CbError "infrastructure" when a program cannot be started or the output cannot be passed on, with a CbError that `write` throws, and
 * with the reason of `signal`.
 */
export async function runBuild(steps: readonly Step[], options: BuildOptions): Promise<BuildExit> {
  const { startedMs = performance.now() } = options;
  let exit: BuildExit = { code: 0, reason: "" };
  for (const step of steps) {
    exit = await runStep({ ...options, ...step, startedMs });
    if (exit.code !== 0) break;
    await step.after?.();
  }
  return exit;
}

type StepOptions = BuildOptions & Step & { readonly startedMs: number };

/**
 * After a program has exited, its output ends when no byte has arrived for this long. A process that the recipe left
 * running in the background keeps the pipe open, and the build must not wait for it.
 */
const OUTPUT_QUIET_MS = 1_000;

interface OutputProgress {
  /** True while `write` runs. It may wait for NATS while more output waits in the pipe. */
  writing: boolean;
  /** Time of the last output, by performance.now(). */
  quietSinceMs: number;
}

async function runStep(options: StepOptions): Promise<BuildExit> {
  options.signal.throwIfAborted();
  const child = start(options);
  if (child.pid === undefined) throw await notStarted(child, options.name);
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), options.startedMs + options.limitMs - performance.now());
  const kill = () => killGroup(child);
  const progress: OutputProgress = { writing: false, quietSinceMs: performance.now() };
  let quietTimer: NodeJS.Timeout | undefined;
  child.once("exit", () => {
    quietTimer = setInterval(() => endWhenQuiet(child.stdout, progress), OUTPUT_QUIET_MS / 4);
  });
  timeout.signal.addEventListener("abort", kill);
  options.signal.addEventListener("abort", kill);
  try {
    const exit = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    exit.catch(() => undefined);
    await passOnOutput(child, options, progress);
    const [code, signal] = await exit;
    options.signal.throwIfAborted();
    if (timeout.signal.aborted) return { code: 124, reason: `ran for ${options.limitMs / 60_000} minutes, the limit` };
    const fault = signal === null ? undefined : FAULTS[signal];
    if (fault !== undefined) throw new CbError("infrastructure", `${options.name} ${fault}`);
    return buildExit(options.name, code, signal);
  } finally {
    clearTimeout(timer);
    clearInterval(quietTimer);
    options.signal.removeEventListener("abort", kill);
    killGroup(child);
  }
}

/** Without a free file descriptor or process, Node has no pipes either; it reports the error as an event. */
async function notStarted(child: ChildProcess, name: string): Promise<CbError> {
  const [cause] = (await once(child, "error")) as [unknown];
  return new CbError("infrastructure", `${name} could not be started (${codeOf(cause)})`, { cause });
}

/**
 * Signals that end a program because of the builder: the shell sends itself SIGUSR1 when it cannot replace itself by the program,
 * and SIGPIPE comes when `cat` has ended. An exit code could be that of a recipe's command as well, which buildah passes on.
 */
const FAULTS: Readonly<Partial<Record<NodeJS.Signals, string>>> = {
  SIGUSR1: "could not be started",
  SIGPIPE: "lost the program that reads its output",
};
const NOT_STARTED = "kill -s USR1 $$";

/** One pipe for standard output and standard error: two pipes would lose the order of the lines. */
const ONE_OUTPUT = `exec "$@" 2>&1; ${NOT_STARTED}`;

/**
 * Node passes a socket as standard output. A program can read from it and waits for ever, and it cannot open it again as
 * /dev/stdout. A shell pipe has neither fault. `cat` ends when no process can write to the pipe any more; the program
 * itself replaces the shell, so its exit does not wait for `cat`. On a terminal script(1) alone gets the socket.
 */
const ONE_PIPE = `exec "$@" > >(exec cat) 2>&1; ${NOT_STARTED}`;

/** With this score the kernel ends the build before the agent when memory runs out (memory-failure.ts). */
const ENDED_FIRST = "{ echo 500 >/proc/self/oom_score_adj; } 2>/dev/null";

function start({ argv, cwd, env, terminal }: StepOptions): ChildProcess & { stdout: Readable } {
  // With execfail, the shell goes on after an exec that failed.
  const script = `shopt -s execfail; ${ENDED_FIRST}; ${terminal === undefined ? ONE_PIPE : ONE_OUTPUT}`;
  const args = ["-c", script, "bash", ...(terminal?.command(argv) ?? argv)];
  const child = spawn("/bin/bash", args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "ignore"] });
  return child as ChildProcess & { stdout: Readable };
}

async function passOnOutput(
  child: ChildProcess & { stdout: Readable },
  { write }: StepOptions,
  progress: OutputProgress,
): Promise<void> {
  try {
    for await (const chunk of child.stdout) {
      progress.writing = true;
      await write(chunk as Uint8Array);
      progress.writing = false;
      progress.quietSinceMs = performance.now();
    }
  } catch (error) {
    // endWhenQuiet() has destroyed the stream, which is not a failure.
    if (hasCode(error, "ERR_STREAM_PREMATURE_CLOSE")) return;
    killGroup(child);
    throw error instanceof CbError
      ? error
      : new CbError("infrastructure", `the output could not be passed on: ${messageOf(error)}`, { cause: error });
  }
}

function endWhenQuiet(output: Readable, { writing, quietSinceMs }: OutputProgress): void {
  if (!writing && performance.now() - quietSinceMs >= OUTPUT_QUIET_MS) output.destroy();
}

/** Kills the program and all processes of its process group. */
function killGroup(child: ChildProcess): void {
  if (child.pid !== undefined) signalProcess(-child.pid, "SIGKILL");
}

/**
 * Exit codes as in a shell: 128 plus the number of the signal. 137 is also the result of the kernel's out-of-memory
 * killer.
 */
function buildExit(name: string, code: number | null, signal: NodeJS.Signals | null): BuildExit {
  if (code === 0) return { code, reason: "" };
  if (code !== null) return { code, reason: `${name} ended with exit code ${code}` };
  const hint = signal === "SIGKILL" ? " (out of memory?)" : "";
  return { code: signal === "SIGKILL" ? 137 : 143, reason: `${name} was killed by ${signal}${hint}` };
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;

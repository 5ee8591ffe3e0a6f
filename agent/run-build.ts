/** Runs the build's programs as root, and passes on what they print, byte by byte and in order. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { CbError, messageOf } from "../lib/core/errors.ts";
import type { Step } from "./steps.ts";
import type { Terminal } from "./terminal.ts";

export interface BuildOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Present: the programs run on ptys of its size. */
  readonly terminal?: Terminal | undefined;
  /** All programs of the build together may run this long. */
  readonly limitMs: number;
  /** Takes the output; it is awaited, so a slow taker slows the build. */
  readonly write: (chunk: Uint8Array) => Promise<void>;
  readonly signal: AbortSignal;
}

interface BuildCommand extends BuildOptions, Step {
  /** When the first program started, by performance.now(). */
  readonly startedMs: number;
}

export interface BuildExit {
  readonly code: number;
  /** Empty when the program ended by itself with 0. */
  readonly reason: string;
}

/** After the build program has ended, its output is over when nothing came for this long. */
const LAST_WORDS_MS = 1_000;

/** How the output is getting on. */
interface Flow {
  /** A piece is being passed on: NATS may be away, and more may wait behind it. */
  writing: boolean;
  quietSinceMs: number;
}

/** What the recipe left running in the background keeps the pipe open, and nobody waits for it. */
function endWhenQuiet(output: Readable, { writing, quietSinceMs }: Flow): void {
  if (!writing && performance.now() - quietSinceMs >= LAST_WORDS_MS) output.destroy();
}

/**
 * Runs the steps, until one fails; tells how the last one ended. Rejects with CbError "infrastructure" when the output
 * cannot be passed on, with what `write` throws, and with the reason of `signal`.
 */
export async function runBuild(steps: readonly Step[], options: BuildOptions): Promise<BuildExit> {
  const startedMs = performance.now();
  let exit: BuildExit = { code: 0, reason: "" };
  for (const step of steps) {
    exit = await runStep({ ...options, ...step, startedMs });
    if (exit.code !== 0) break;
  }
  return exit;
}

async function runStep(command: BuildCommand): Promise<BuildExit> {
  command.signal.throwIfAborted();
  const child = start(command);
  const stopped = new AbortController();
  const timer = setTimeout(() => stopped.abort("time"), command.startedMs + command.limitMs - performance.now());
  const kill = () => killGroup(child);
  const flow: Flow = { writing: false, quietSinceMs: performance.now() };
  let ended: NodeJS.Timeout | undefined;
  child.once("exit", () => {
    ended = setInterval(() => endWhenQuiet(child.stdout, flow), LAST_WORDS_MS / 4);
  });
  stopped.signal.addEventListener("abort", kill);
  command.signal.addEventListener("abort", kill);
  try {
    const exit = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    exit.catch(() => undefined);
    await drain(child, command, flow);
    const [code, signal] = await exit;
    command.signal.throwIfAborted();
    if (stopped.signal.aborted) return { code: 124, reason: `ran for ${command.limitMs / 60_000} minutes, the limit` };
    return describe(command.name, code, signal);
  } finally {
    clearTimeout(timer);
    clearInterval(ended);
    command.signal.removeEventListener("abort", kill);
    killGroup(child);
  }
}

function start({ argv, cwd, env, terminal }: BuildCommand): ChildProcess & { stdout: Readable } {
  const onPty = terminal?.command(argv) ?? argv;
  // One pipe for both outputs: with two, nobody knows which line came first.
  const child = spawn("/bin/sh", ["-c", 'exec "$@" 2>&1', "sh", ...onPty], {
    cwd,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return child as ChildProcess & { stdout: Readable };
}

async function drain(child: ChildProcess & { stdout: Readable }, { write }: BuildCommand, flow: Flow): Promise<void> {
  try {
    for await (const chunk of child.stdout) {
      flow.writing = true;
      await write(chunk as Uint8Array);
      flow.writing = false;
      flow.quietSinceMs = performance.now();
    }
  } catch (error) {
    // The end that was made above, and not a failure.
    if (isCode(error, "ERR_STREAM_PREMATURE_CLOSE")) return;
    killGroup(child);
    throw error instanceof CbError
      ? error
      : new CbError("infrastructure", `the output could not be passed on: ${messageOf(error)}`, { cause: error });
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;

/** The program and all that it started and that did not leave its process group. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nothing of the group is left.
  }
}

/** As shells have it: 128 and the signal's number; 137 is what the kernel's memory killer leaves. */
function describe(name: string, code: number | null, signal: NodeJS.Signals | null): BuildExit {
  if (code === 0) return { code, reason: "" };
  if (code !== null) return { code, reason: `${name} ended with exit code ${code}` };
  const hint = signal === "SIGKILL" ? " (out of memory?)" : "";
  return { code: signal === "SIGKILL" ? 137 : 143, reason: `${name} was killed by ${signal}${hint}` };
}

/** Runs the build program as root, and passes on what it prints, byte by byte and in order. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import type { Lease } from "../lib/bus/builder-messages.ts";
import { CbError, messageOf } from "../lib/errors.ts";

export interface BuildCommand {
  /** Program and arguments. */
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Present: the program runs on a pty of this size. */
  readonly terminal?: Lease["terminal"];
  /** Longest run. */
  readonly timeoutMs: number;
  /** Takes the output; it is awaited, so a slow taker slows the build. */
  readonly write: (chunk: Uint8Array) => Promise<void>;
  readonly signal: AbortSignal;
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

/** Throws CbError "infrastructure" when the program cannot be started; otherwise tells how it ended. */
export async function runBuild(command: BuildCommand): Promise<BuildExit> {
  const child = start(command);
  const stopped = new AbortController();
  const timer = setTimeout(() => stopped.abort("time"), command.timeoutMs);
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
    if (stopped.signal.aborted)
      return { code: 124, reason: `ran for ${command.timeoutMs / 60_000} minutes, the limit` };
    return describe(command.argv[0] ?? "", code, signal);
  } finally {
    clearTimeout(timer);
    clearInterval(ended);
    command.signal.removeEventListener("abort", kill);
    killGroup(child);
  }
}

function start({ argv, cwd, env, terminal }: BuildCommand): ChildProcess & { stdout: Readable } {
  const onPty = terminal === undefined ? argv : ptyCommand(argv, terminal);
  // One pipe for both outputs: with two, nobody knows which line came first.
  const child = spawn("/bin/sh", ["-c", 'exec "$@" 2>&1', "sh", ...onPty], {
    cwd,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return child as ChildProcess & { stdout: Readable };
}

/** script(1) holds the pty: `-e` hands on the exit code, `-f` writes at once, and /dev/null takes its own record. */
function ptyCommand(argv: readonly string[], { columns, rows }: { columns: number; rows: number }): string[] {
  const quoted = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  return ["script", "-qefc", `stty cols ${columns} rows ${rows}; exec ${quoted}`, "/dev/null"];
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
function describe(program: string, code: number | null, signal: NodeJS.Signals | null): BuildExit {
  if (code === 0) return { code, reason: "" };
  if (code !== null) return { code, reason: `${program} build ended with exit code ${code}` };
  const hint = signal === "SIGKILL" ? " (out of memory?)" : "";
  return { code: signal === "SIGKILL" ? 137 : 143, reason: `${program} build was killed by ${signal}${hint}` };
}

/** Runs GNU tar as a child process: it handles holes, long names and owners, and every Linux machine has it. */
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { CbError, codeOf } from "../../core/errors.ts";

/** On macOS, GNU tar is installed as `gtar`. */
const NAMES = ["tar", "gtar"];
/** Kept of tar's error output: its first lines name the file; a million further lines are dropped. */
const ERROR_OUTPUT_MAX_BYTES = 8 * 1024;

/** A C locale, so that names are bytes and messages are in English. */
const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  LC_ALL: "C",
  TAR_OPTIONS: "",
  POSIXLY_CORRECT: undefined,
});

/** The name of GNU tar on this machine. Throws CbError "usage" when there is none, and as startTar(). */
export async function gnuTar(): Promise<string> {
  for (const name of NAMES) if ((await versionOf(name)).includes("GNU tar")) return name;
  throw new CbError("usage", "no GNU tar in the PATH; it is needed to pack and unpack contexts", {
    hint: "install GNU tar as `tar` or as `gtar`",
  });
}

/** "" when there is no such program, or it has no such option. */
async function versionOf(name: string): Promise<string> {
  try {
    return (await promisify(execFile)(name, ["--version"], { env: environment() })).stdout;
  } catch (error) {
    const code = codeOf(error);
    if (code === "" || ABSENT_CODES.includes(code)) return "";
    throw notStarted(code, error);
  }
}

/** Errors of execve(2) that mean that a folder of the PATH has no such program. */
const ABSENT_CODES = ["ENOENT", "ENOTDIR", "EACCES", "ENOEXEC"];

/** fork(2), execve(2) and pipe(2) fail with EAGAIN, EMFILE, ENFILE, ENOMEM, ETXTBSY and EIO: the same call may work later. */
function notStarted(code: string, cause?: unknown): CbError {
  return new CbError("infrastructure", `tar could not be started (${code})`, {
    hint: "end other programs, or raise the limits of processes, open files and memory (ulimit -a shows them)",
    cause,
  });
}

export interface Tar {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  /** Resolves when tar has exited: "" after success, else the first lines of its error output. Never rejects. */
  readonly ended: Promise<string>;
}

/** An abort of `signal` kills tar. The caller kills it when it needs tar no more. Throws CbError "infrastructure" when no process can be started. */
export function startTar(program: string, args: readonly string[], signal?: AbortSignal): Tar {
  const child = spawn(program, args, { env: environment(), stdio: ["pipe", "pipe", "pipe"] });
  // Without a free file descriptor Node has made no pipes; it reports the error as an event.
  if ((child.stdin as Writable | undefined) === undefined) {
    child.on("error", () => undefined);
    throw notStarted("EMFILE");
  }
  let errorOutput = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (errorOutput.length < ERROR_OUTPUT_MAX_BYTES) errorOutput += text;
  });
  // When tar stops reading its input, its exit code and error output report the reason.
  child.stdin.on("error", () => undefined);
  const kill = (): void => void child.kill("SIGKILL");
  signal?.addEventListener("abort", kill);
  const ended = once(child, "close")
    .then(([code, killedBy]: (number | string | null)[]) => (code === 0 ? "" : firstLines(errorOutput, code, killedBy)))
    .catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
    .finally(() => signal?.removeEventListener("abort", kill));
  return { child, ended };
}

function firstLines(errorOutput: string, code: unknown, killedBy: unknown): string {
  const lines = errorOutput.split("\n").filter((line) => line !== "" && !line.includes("previous errors"));
  const messages = lines.slice(0, 3).map((line) => line.replace(/^\S*tar: (?:\.\/)?/, ""));
  if (messages.length > 0) return messages.join("; ");
  return code === null ? `tar was killed by ${killedBy}` : `tar ended with exit code ${code}`;
}

/**
 * Writes `source` to tar's input with back-pressure. Resolves early when tar has closed its input: its exit reports the
 * reason.
 */
export async function feed(
  child: Tar["child"],
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const { stdin } = child;
  const closed = once(stdin, "close").catch(() => undefined);
  for await (const chunk of source) {
    if (stdin.destroyed) return;
    if (!stdin.write(chunk)) await Promise.race([once(stdin, "drain").catch(() => undefined), closed]);
  }
  stdin.end();
}

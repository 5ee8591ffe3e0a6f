/** Runs a program to its end and keeps its output, for set-up steps that print it only when they fail. */
import { spawn } from "node:child_process";
import { messageOf } from "../../../lib/core/errors.ts";

/** Bounds the memory, and holds the longest error message of apt-get. */
const KEPT_BYTES = 64 * 1024;
/** Half a minute without output looks like a hang to a user. */
const PROGRESS_MS = 15_000;

export interface CommandResult {
  /** The exit code; 127, as in a shell, when the program cannot be started; 128 when a signal ended it. */
  readonly code: number;
  /** The last 64 KiB of stdout and stderr, interleaved in order of arrival. */
  readonly output: string;
}

/** Never throws: a program that cannot be started has the exit code 127. */
export function runCommand(
  argv: readonly [string, ...string[]],
  options: { cwd?: string } = {},
): Promise<CommandResult> {
  const [program, ...args] = argv;
  const env = { ...process.env, LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" };
  return new Promise((done) => {
    const child = spawn(program, args, { ...options, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const append = (chunk: string): void => {
      output = (output + chunk).slice(-KEPT_BYTES);
    };
    child.stdout.setEncoding("utf8").on("data", append);
    child.stderr.setEncoding("utf8").on("data", append);
    child.on("error", (error) => done({ code: 127, output: messageOf(error) }));
    child.on("close", (code) => done({ code: code ?? 128, output }));
  });
}

/** Calls `onStep` when `work` starts, every 15 s while it runs, and with the duration when it ends. `title` names the work. */
export async function withProgress<T>(
  title: string,
  onStep: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  const startedMs = performance.now();
  const seconds = (): string => ((performance.now() - startedMs) / 1000).toFixed(1);
  onStep(title);
  const timer = setInterval(() => onStep(`  still running (${seconds()} s)`), PROGRESS_MS);
  try {
    const result = await work();
    onStep(`${title}: done in ${seconds()} s`);
    return result;
  } finally {
    clearInterval(timer);
  }
}

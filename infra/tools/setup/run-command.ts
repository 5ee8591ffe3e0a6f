/** Runs a program to its end and keeps what it printed, for set-up steps that speak only when they fail. */
import { spawn } from "node:child_process";
import { messageOf } from "../../../lib/core/errors.ts";

/** Enough for the end of apt's longest complaint, and a bound. */
const KEPT_BYTES = 64 * 1024;
/** A quiet half minute looks like a hang to a person. */
const STILL_THERE_MS = 15_000;

export interface CommandResult {
  /** The exit code; 127, as in a shell, where the program could not be started; 128 where a signal ended it. */
  readonly code: number;
  /** The last 64 KiB of stdout and stderr, as they came. */
  readonly output: string;
}

/** Never throws: a program that cannot be started is an outcome like any other. */
export function runCommand(
  argv: readonly [string, ...string[]],
  options: { cwd?: string } = {},
): Promise<CommandResult> {
  const [program, ...args] = argv;
  const env = { ...process.env, LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" };
  return new Promise((done) => {
    const child = spawn(program, args, { ...options, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const keep = (chunk: string): void => {
      output = (output + chunk).slice(-KEPT_BYTES);
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    child.on("error", (error) => done({ code: 127, output: messageOf(error) }));
    child.on("close", (code) => done({ code: code ?? 128, output }));
  });
}

/** Says that `what` starts, that it is still going on, and how long it took. */
export async function withProgress<T>(
  what: string,
  onStep: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  const startedMs = performance.now();
  const seconds = (): string => ((performance.now() - startedMs) / 1000).toFixed(1);
  onStep(what);
  const timer = setInterval(() => onStep(`  still at it (${seconds()} s)`), STILL_THERE_MS);
  try {
    const result = await work();
    onStep(`${what}: done in ${seconds()} s`);
    return result;
  } finally {
    clearInterval(timer);
  }
}

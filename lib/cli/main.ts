/** Runs a program: prints its error, and exits with the code of the error's kind. */
import { CbError, messageOf } from "../core/errors.ts";
import { EXIT_CODES } from "../core/exit-codes.ts";
import { keepIgnoredSignals, refuseDebugger } from "./ignored-signals.ts";
import { closeOutput, outputFailure, restoreTerminal } from "./standard-output.ts";
import { fromSystemError } from "./system-error.ts";

/** `run` resolves with the exit code. No other function prints an error or exits. */
export async function main(name: string, run: (argv: readonly string[]) => Promise<number>): Promise<void> {
  refuseDebugger();
  keepIgnoredSignals();
  const argv = process.argv.slice(2);
  const debug = argv.includes("--debug") || argv.includes("-d");
  const fail = (thrown: unknown) => {
    const error = fromSystemError(thrown);
    restoreTerminal();
    process.stderr.write(`${describe(name, error, debug)}\n`);
    exitWhenWritten(error instanceof CbError ? EXIT_CODES[error.kind] : EXIT_CODES.bug);
  };
  // By default Node would exit with 1, which means that the recipe failed.
  process.on("uncaughtException", fail);
  // The program goes on when the reader of its output has exited, as `| head` does.
  process.stderr.on("error", () => undefined);
  try {
    const code = await run(argv);
    restoreTerminal();
    closeOutput();
    const failure = outputFailure();
    if (failure !== undefined) throw failure;
    exitWhenWritten(code);
  } catch (error) {
    fail(error);
  }
}

/** Output to a pipe is written asynchronously, so the process exits only after the callback of the last write. */
function exitWhenWritten(code: number): void {
  const exit = () => process.exit(code);
  process.stdout.write("", () => process.stderr.write("", exit));
  // A stream that has failed does not call back.
  if (process.stdout.errored || process.stderr.errored) exit();
}

function describe(name: string, error: unknown, debug: boolean): string {
  if (!(error instanceof CbError)) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `${name}: this is a bug, please report it: ${stack}`;
  }
  const lines = [`${name}: ${error.message}`, ...(error.hint === undefined ? [] : [`  ${error.hint}`])];
  return [...lines, ...(debug ? causes(error.cause) : [])].join("\n");
}

/** At most ten causes, because a chain of causes can be circular. */
function causes(cause: unknown, depth = 0): string[] {
  if (cause === undefined || depth >= 10) return [];
  return [`  because: ${messageOf(cause)}`, ...causes(cause instanceof Error ? cause.cause : undefined, depth + 1)];
}

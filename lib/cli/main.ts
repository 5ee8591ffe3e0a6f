/** The frame of every program: runs it, prints what went wrong, and exits with the code that says which kind it was. */
import { CbError, messageOf } from "../core/errors.ts";
import { EXIT_CODES } from "../core/exit-codes.ts";

/** Only this prints an error and exits. `run` resolves with the exit code. */
export async function main(name: string, run: (argv: readonly string[]) => Promise<number>): Promise<void> {
  const argv = process.argv.slice(2);
  const debug = argv.includes("--debug") || argv.includes("-d");
  const fail = (error: unknown) => {
    process.stderr.write(`${describe(name, error, debug)}\n`);
    leave(error instanceof CbError ? EXIT_CODES[error.kind] : EXIT_CODES.bug);
  };
  // Without this Node would leave with 1, which says that the recipe failed.
  process.on("uncaughtException", fail);
  // Nobody can be told that nobody can be told: a reader that has left is no reason to stop.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  try {
    leave(await run(argv));
  } catch (error) {
    fail(error);
  }
}

/** Output to a pipe is written asynchronously: the process leaves when it is out, not before. */
function leave(code: number): void {
  const exit = () => process.exit(code);
  process.stdout.write("", () => process.stderr.write("", exit));
  // A stream that has failed calls nobody back.
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

/** The chain of causes is bounded: one that loops is possible. */
function causes(cause: unknown, depth = 0): string[] {
  if (cause === undefined || depth >= 10) return [];
  return [`  because: ${messageOf(cause)}`, ...causes(cause instanceof Error ? cause.cause : undefined, depth + 1)];
}

/** Commander, with our exit codes: what it refuses is the caller's to change. */
import { type Command, CommanderError, type OptionValues } from "commander";
import { CbError } from "../core/errors.ts";

export interface Parsed<Options> {
  readonly options: Options;
  readonly args: readonly string[];
}

/** Help and version leave with 0 by themselves. Throws CbError "usage" on all that the command does not know. */
export function parse<Options extends OptionValues>(command: Command, argv: readonly string[]): Parsed<Options> {
  command
    .showHelpAfterError(false)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  try {
    command.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) process.exit(0);
    throw new CbError("usage", error.message.replace(/^error: /, ""), { hint: `see ${command.name()} --help` });
  }
  return { options: command.opts<Options>(), args: command.args };
}

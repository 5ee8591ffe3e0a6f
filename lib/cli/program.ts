/**
 * Declares a program: its version, and a help text with examples, the environment variables that it reads, and its exit codes.
 * Argument errors of commander become CbError "usage".
 */
import { Command, CommanderError, type Help, type OptionValues } from "commander";
import { CbError } from "../core/errors.ts";
import type { ErrorKind } from "../core/exit-codes.ts";
import { nearest } from "../core/nearest.ts";
import { VERSION } from "../core/version.ts";
import { programModel } from "./command-model.ts";
import { helpDetails } from "./help-details.ts";
import type { ProgramInfo, Variable } from "./program-info.ts";
import { closeOutput, outputFailure, printText } from "./standard-output.ts";

/** The variables that lead a user's program to its settings. */
export const CLIENT_VARIABLES: readonly Variable[] = [
  "NATS_URL",
  "NATS_CREDS",
  "NATS_CA",
  "NATS_SERVERNAME",
  "QUEUE_HOST",
  "NATS_CONTEXT",
  "XDG_CONFIG_HOME",
  "XDG_CONFIG_DIRS",
  "XDG_STATE_HOME",
];

/** The failures that every program that connects to NATS can end with. */
export const CONNECTED_FAILURES: readonly ErrorKind[] = [
  "usage",
  "unreachable",
  "bug",
  "output",
  "infrastructure",
  "denied",
  "config",
];

/** The usage of a command that only groups others; one that also acts by itself has commander's, `[command]`. */
export const GROUP_USAGE = "[options] <command>";

/** A command with `--version`, `--debug` and `--help`. The caller adds arguments and further options. */
export function createCommand(info: ProgramInfo): Command {
  const command = new Command(info.name);
  infos.set(command, info);
  return command
    .description(info.summary)
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .option("-d, --debug", info.debug ?? "print an error with its causes")
    .configureHelp({ showGlobalOptions: true })
    .addHelpText("after", ({ command }) => helpDetails(info, helpOf(command)))
    .showHelpAfterError(false)
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ writeOut: printText, writeErr: () => undefined });
}

/** By the command of the program. */
const infos = new WeakMap<Command, ProgramInfo>();

/** An option of every program that no help shows: prints its model as JSON, for its manual page and completions. */
export const MODEL_OPTION = "--command-model";

function printModel(command: Command): void {
  const info = infos.get(command);
  if (info === undefined) return;
  printText(JSON.stringify(programModel(command, info)));
  const failure = exitAfterOutput();
  if (failure !== undefined) throw failure;
}

/** Commander passes no width to the texts after its own. */
function helpOf(command: Command): Help {
  const help = command.createHelp();
  const helpWidth = command.configureOutput().getOutHelpWidth?.();
  help.prepareContext(helpWidth === undefined ? {} : { helpWidth });
  return help;
}

export interface Parsed<Options> {
  readonly options: Options;
  readonly args: readonly string[];
}

/** For a command without subcommands. `--help` and `--version` print and exit with 0. Throws CbError "usage". */
export function parse<Options extends OptionValues>(command: Command, argv: readonly string[]): Parsed<Options> {
  if (argv.at(-1) === MODEL_OPTION) printModel(command);
  try {
    command.parse([...argv], { from: "user" });
  } catch (error) {
    throw usageError(command, argv, error);
  }
  return { options: command.opts<Options>(), args: command.args };
}

/** Runs the action of the subcommand that `argv` names. Throws CbError "usage", and the errors of the action. */
export async function runSubcommand(command: Command, argv: readonly string[]): Promise<void> {
  if (argv.at(-1) === MODEL_OPTION) printModel(command);
  try {
    await command.parseAsync([...argv], { from: "user" });
  } catch (error) {
    throw usageError(command, argv, error);
  }
}

/** Returns the error of the output, if it has failed. */
function exitAfterOutput(): unknown {
  closeOutput();
  const failure = outputFailure();
  if (failure !== undefined) return failure;
  process.exit(0);
}

function usageError(program: Command, argv: readonly string[], error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  if (error.exitCode === 0) return exitAfterOutput();
  const { command, path } = subcommandOf(program, argv);
  const help = `see ${path} --help`;
  if (error.code === "commander.help") {
    const names = command.commands.map((one) => one.name()).join(", ");
    return new CbError("usage", `${path} needs a command: ${names}`, { hint: help, cause: error });
  }
  const suggestion = suggestionFor(command, error);
  const hint = suggestion === undefined ? help : `did you mean ${suggestion}? ${help}`;
  return new CbError("usage", error.message.replace(/^error: /, ""), { hint, cause: error });
}

/** The option or the command that the user misspelled. Commander suggests others too, as --tty for --tag. */
function suggestionFor(command: Command, { code, message }: CommanderError): string | undefined {
  const given = /'([^'=]*)/.exec(message)?.[1] ?? "";
  if (code === "commander.unknownCommand")
    return nearest(
      given,
      command.commands.map((one) => one.name()),
    );
  if (code !== "commander.unknownOption" || !given.startsWith("--")) return undefined;
  const flags: (string | undefined)[] = ["--help"];
  for (let one: Command | null = command; one !== null; one = one.parent)
    flags.push(...one.options.map(({ long }) => long));
  return nearest(
    given,
    flags.filter((flag) => flag !== undefined),
  );
}

/** The innermost subcommand that the arguments name, and its full name. */
function subcommandOf(program: Command, argv: readonly string[]): { command: Command; path: string } {
  let [command, path] = [program, program.name()];
  for (const argument of argv) {
    const next = command.commands.find((one) => one.name() === argument);
    if (next !== undefined) [command, path] = [next, `${path} ${argument}`];
  }
  return { command, path };
}

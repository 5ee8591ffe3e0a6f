/**
 * Declares a program: its version, and a help text with examples, the environment variables that it reads, and its exit codes.
 * Argument errors of commander become CbError "usage".
 */
import { Command, CommanderError, type OptionValues } from "commander";
import { CbError } from "../core/errors.ts";
import { type ErrorKind, EXIT_CODES } from "../core/exit-codes.ts";
import { nearest } from "../core/nearest.ts";
import { VERSION } from "../core/version.ts";
import { closeOutput, outputFailure, printText } from "./standard-output.ts";

const VARIABLES = {
  NATS_URL: 'address of NATS, tls://HOST:PORT; overrides "url" in config.yaml',
  NATS_CREDS: 'path of the credential file; overrides "creds" in config.yaml',
  NATS_CA: 'path of the CA certificates of NATS; overrides "ca" in config.yaml',
  NATS_SERVERNAME: 'the name in the certificate of NATS; overrides "servername" in config.yaml',
  QUEUE_HOST: "HOST or HOST:PORT of NATS, if NATS_URL is not set",
  HOME: "your home folder, written ~ here",
  PATH: "where other programs are found",
  XDG_CONFIG_HOME: "parent of container-builder/config.yaml and admin.yaml (default: ~/.config)",
  XDG_CONFIG_DIRS: "the same for the site's config.yaml (default: /etc/xdg)",
  XDG_STATE_HOME: "parent of the local stack's files (default: ~/.local/state)",
  XDG_CACHE_HOME: "parent of the builder images and tools (default: ~/.cache)",
  NATS_SERVER: "path of nats-server (default: found in PATH, else downloaded)",
  CB_MIRROR: "Debian mirror for building the root file systems",
  CB_SECURITY_MIRROR: "Debian security mirror for the same",
  "APPTAINER_*": "options of apptainer build, as APPTAINER_NOTEST=1; SINGULARITY_* count too",
  "OS_*": "login of an OpenStack pool, or where clouds.yaml is, as for the openstack client",
} as const;

export type Variable = keyof typeof VARIABLES;

/** The variables that lead a user's program to its settings. */
export const CLIENT_VARIABLES: readonly Variable[] = [
  "NATS_URL",
  "NATS_CREDS",
  "NATS_CA",
  "NATS_SERVERNAME",
  "QUEUE_HOST",
  "XDG_CONFIG_HOME",
  "XDG_CONFIG_DIRS",
  "XDG_STATE_HOME",
];

const EXIT_MEANINGS: Readonly<Record<ErrorKind, string>> = {
  recipe: "the recipe failed",
  usage: "an argument, or a file that it names, is wrong",
  unreachable: "NATS or the queue does not answer",
  bug: "a bug in this program",
  output: "the output cannot be written",
  infrastructure: "the infrastructure failed; the same call may work later",
  denied: "the credential does not permit this",
  config: "a setting is missing or wrong",
  cancelled: "interrupted or cancelled",
};

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

export interface ProgramInfo {
  readonly name: string;
  readonly summary: string;
  /** Command lines, each with its effect. */
  readonly examples: Readonly<Record<string, string>>;
  readonly variables: readonly Variable[];
  /** The failures that it can end with; the help shows their exit codes. */
  readonly failures: readonly ErrorKind[];
  /** Effect of --debug; default: an error is printed with its causes. */
  readonly debug?: string;
}

/** A command with `--version`, `--debug` and `--help`. The caller adds arguments and further options. */
export function createCommand(info: ProgramInfo): Command {
  return new Command(info.name)
    .description(info.summary)
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .option("-d, --debug", info.debug ?? "print an error with its causes")
    .configureHelp({ showGlobalOptions: true })
    .addHelpText("after", helpDetails(info))
    .showHelpAfterError(false)
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ writeOut: printText, writeErr: () => undefined });
}

function helpDetails({ examples, variables, failures }: ProgramInfo): string {
  const codes: [string, string][] = failures.map((kind) => [String(EXIT_CODES[kind]), EXIT_MEANINGS[kind]]);
  codes.sort(([one], [other]) => Number(one) - Number(other));
  return [
    section("Examples", Object.entries(examples)),
    section(
      "Environment variables",
      variables.map((name) => [name, VARIABLES[name]]),
    ),
    section("Exit codes", [["0", "success"], ...codes]),
  ].join("");
}

function section(title: string, rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return `\n${title}:\n${rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join("")}`;
}

export interface Parsed<Options> {
  readonly options: Options;
  readonly args: readonly string[];
}

/** For a command without subcommands. `--help` and `--version` print and exit with 0. Throws CbError "usage". */
export function parse<Options extends OptionValues>(command: Command, argv: readonly string[]): Parsed<Options> {
  try {
    command.parse([...argv], { from: "user" });
  } catch (error) {
    throw usageError(command, argv, error);
  }
  return { options: command.opts<Options>(), args: command.args };
}

/** Runs the action of the subcommand that `argv` names. Throws CbError "usage", and the errors of the action. */
export async function runSubcommand(command: Command, argv: readonly string[]): Promise<void> {
  try {
    await command.parseAsync([...argv], { from: "user" });
  } catch (error) {
    throw usageError(command, argv, error);
  }
}

function usageError(program: Command, argv: readonly string[], error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  if (error.exitCode === 0) {
    closeOutput();
    const failure = outputFailure();
    if (failure !== undefined) return failure;
    process.exit(0);
  }
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

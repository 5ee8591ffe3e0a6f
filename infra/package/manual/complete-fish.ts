/** The completion of a program for fish 3. */
import type { CommandModel, ProgramModel, ValueModel } from "../../../lib/cli/command-model.ts";
import { allCommands, optionsOf, type PlacedCommand } from "./commands.ts";

export function completeFish(program: ProgramModel): string {
  const takesFiles = program.arguments.some(({ kind }) => kind === "file");
  return [
    `# Completion of ${program.name} for fish.`,
    ...(takesFiles ? [] : [`complete -c ${program.name} -f`]),
    ...allCommands(program).flatMap((placed) => lines(placed, program)),
    "",
  ].join("\n");
}

function lines({ path, command }: PlacedCommand, program: CommandModel): string[] {
  const here = `complete -c ${program.name}${condition(path)}`;
  const isProgram = command === program;
  // Options of the program are offered everywhere.
  const options = isProgram
    ? command.options
    : optionsOf(command, program).filter((option) => command.options.includes(option));
  return [
    ...command.commands.map(
      ({ name, summary }) => `${beforeCommand(path, command, program)} -a ${name} -d ${quote(summary)}`,
    ),
    ...options.map(
      ({ flags, text, value }) => `${here}${flags.map(flagOf).join("")}${valueFlags(value)} -d ${quote(text)}`,
    ),
    ...(isProgram ? [] : command.arguments.flatMap(({ kind }) => argumentOf(here, kind))),
  ];
}

const flagOf = (flag: string): string => (flag.startsWith("--") ? ` -l ${flag.slice(2)}` : ` -s ${flag.slice(1)}`);

function condition(path: readonly string[]): string {
  if (path.length === 0) return "";
  return ` -n ${quote(path.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and "))}`;
}

/** Where a command of `command` may stand. */
function beforeCommand(
  path: readonly string[],
  { commands, arguments: own }: CommandModel,
  program: CommandModel,
): string {
  const names = commands.map(({ name }) => name).join(" ");
  // Beside arguments of its own, a program takes a command as the first word only.
  const isFirst = own.length > 0 ? "__fish_is_first_token" : `not __fish_seen_subcommand_from ${names}`;
  const parents = path.map((word) => `__fish_seen_subcommand_from ${word}; and `).join("");
  return `complete -c ${program.name} -n ${quote(`${parents}${isFirst}`)}`;
}

function valueFlags(value: ValueModel | undefined): string {
  if (value === undefined) return "";
  if (value.kind === "choice") return ` -x -a ${quote(value.choices.join(" "))}`;
  if (value.kind === "directory") return " -x -a '(__fish_complete_directories)'";
  return value.kind === "file" ? " -r -F" : " -x";
}

function argumentOf(here: string, kind: ValueModel["kind"]): string[] {
  if (kind === "file") return [`${here} -F`];
  return kind === "directory" ? [`${here} -a '(__fish_complete_directories)'`] : [];
}

const quote = (text: string): string => `'${text.replace(/[\\']/g, "\\$&")}'`;

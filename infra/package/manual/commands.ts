/** The parts of a program's model that the completions of all shells need. */
import type { CommandModel, OptionModel, ValueModel } from "../../../lib/cli/command-model.ts";

export interface PlacedCommand {
  /** The words from the program to the command; empty for the program itself. */
  readonly path: readonly string[];
  readonly command: CommandModel;
}

/** The program, its commands, and theirs. */
export const allCommands = (command: CommandModel, path: readonly string[] = []): PlacedCommand[] => [
  { path, command },
  ...command.commands.flatMap((one) => allCommands(one, [...path, one.name])),
];

export interface ValueOption extends OptionModel {
  readonly value: ValueModel;
}

/** The options of the program and its commands that have a value, each once. */
export function valueOptions(program: CommandModel): ValueOption[] {
  const byTerm = new Map<string, ValueOption>();
  for (const { command } of allCommands(program))
    for (const option of command.options)
      if (option.value !== undefined) byTerm.set(option.term, { ...option, value: option.value });
  return [...byTerm.values()];
}

/** The options that a command takes: its own, and those of a program that has only commands. */
export const optionsOf = (command: CommandModel, program: CommandModel): readonly OptionModel[] => {
  if (command === program || program.arguments.length > 0) return command.options;
  const own = new Set(command.options.map(({ term }) => term));
  return [...command.options, ...program.options.filter(({ term }) => !own.has(term))];
};

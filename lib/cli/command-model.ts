/** The declaration of a program as data: what its manual page and its completions are generated from (infra/package/manual). */
import type { Argument, Command, Option } from "commander";
import { exitRows, fileRows, type ProgramInfo, variableRows } from "./program-info.ts";

/** The values of an argument or an option: `none` for a text that a shell cannot know. */
type ValueKind = "file" | "directory" | "choice" | "none";

export interface ValueModel {
  /** As the help names it: `file`, `name[=value]`. */
  readonly name: string;
  readonly kind: ValueKind;
  /** Empty unless the kind is `choice`. */
  readonly choices: readonly string[];
}

export interface ArgumentModel extends ValueModel {
  /** As in the usage line: `<id...>`, `[image]`. */
  readonly term: string;
  readonly text: string;
  readonly isVariadic: boolean;
}

export interface OptionModel {
  /** As in the help: `-o, --output <directory>`. */
  readonly term: string;
  /** `-o`, `--output`. */
  readonly flags: readonly string[];
  readonly text: string;
  /** The text with the choices and the default, as in the help. */
  readonly help: string;
  /** Absent: the option has no value. */
  readonly value?: ValueModel;
  /** The heading in the help; absent: among the general options. */
  readonly group?: string;
}

type Rows = readonly (readonly [string, string])[];

export interface CommandModel {
  /** Its last word. */
  readonly name: string;
  readonly summary: string;
  /** As in the usage line, behind the name. */
  readonly usage: string;
  readonly arguments: readonly ArgumentModel[];
  readonly options: readonly OptionModel[];
  readonly commands: readonly CommandModel[];
}

export interface ProgramModel extends CommandModel {
  readonly examples: Rows;
  readonly variables: Rows;
  readonly files: Rows;
  readonly exitCodes: Rows;
}

export const programModel = (command: Command, info: ProgramInfo): ProgramModel => ({
  ...commandModel(command, info.commands),
  examples: Object.entries(info.examples),
  variables: variableRows(info),
  files: fileRows(info),
  exitCodes: exitRows(info),
});

/** `further`: commands that commander does not know as such. Hidden options are not in the model. */
function commandModel(command: Command, further: readonly Command[] = []): CommandModel {
  const help = command.createHelp();
  return {
    name: command.name().replace(/^.* /, ""),
    summary: command.description(),
    usage: command.usage(),
    arguments: command.registeredArguments.map((argument) => argumentModel(argument)),
    options: help.visibleOptions(command).map((option) => ({
      ...optionModel(option),
      help: help.optionDescription(option),
    })),
    commands: [...command.commands, ...further].map((one) => commandModel(one)),
  };
}

const argumentModel = (argument: Argument): ArgumentModel => {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return {
    ...valueModel(argument.name(), argument.argChoices),
    term: argument.required ? `<${name}>` : `[${name}]`,
    text: argument.description,
    isVariadic: argument.variadic,
  };
};

function optionModel(option: Option): Omit<OptionModel, "help"> {
  const placeholder = / [<[](.+)[>\]]$/.exec(option.flags)?.[1];
  return {
    term: option.flags,
    flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
    text: option.description,
    ...(placeholder === undefined ? {} : { value: valueModel(placeholder.replace(/\.\.\.$/, ""), option.argChoices) }),
    ...(option.helpGroupHeading === undefined ? {} : { group: option.helpGroupHeading }),
  };
}

const FILES = ["file", "image", "recipe", "src[:dest[:ro]]"];
const DIRECTORIES = ["directory", "folder"];

function valueModel(name: string, choices: readonly string[] = []): ValueModel {
  if (choices.length > 0) return { name, kind: "choice", choices };
  return { name, kind: FILES.includes(name) ? "file" : DIRECTORIES.includes(name) ? "directory" : "none", choices: [] };
}

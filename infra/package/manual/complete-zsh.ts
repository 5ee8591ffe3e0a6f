/** The completion of a program for zsh 5, by its function _arguments. */
import type {
  ArgumentModel,
  CommandModel,
  OptionModel,
  ProgramModel,
  ValueModel,
} from "../../../lib/cli/command-model.ts";
import { allCommands, optionsOf } from "./commands.ts";

export function completeZsh(program: ProgramModel): string {
  const functions = allCommands(program).map(({ path, command }) =>
    functionOf([program.name, ...path], command, program),
  );
  // The file is the function of its name until it is called first; then it defines itself and the functions of the commands.
  return `#compdef ${program.name}
${functions.join("\n")}
_${program.name} "$@"
`;
}

function functionOf(path: readonly string[], command: CommandModel, program: CommandModel): string {
  const name = `_${path.join("_")}`;
  const specs = [...optionsOf(command, program).flatMap(optionSpecs), ...argumentSpecs(command, name)];
  return `${name}() {
${command.commands.length === 0 ? "" : dispatch(name, command)}  _arguments -s -S \\
${specs.map((spec) => `    ${spec}`).join(" \\\n")}
}
${command.commands.length === 0 ? "" : commandList(name, command)}`;
}

/** A command takes over the words from its own on. Beside arguments of its own, a program takes a command as the first word only. */
function dispatch(name: string, { commands, arguments: own }: CommandModel): string {
  const end = own.length > 0 ? "i < CURRENT && i < 3" : "i < CURRENT";
  const arms = commands.map(
    (one) => `      (${one.name}) words=("\${(@)words[i,-1]}"); ((CURRENT -= i - 1)); ${name}_${one.name}; return ;;`,
  );
  return `  local i
  for ((i = 2; ${end}; i++)); do
    case $words[i] in
${arms.join("\n")}
    esac
  done
`;
}

function commandList(name: string, { commands, arguments: own }: CommandModel): string {
  const lines = commands.map((one) => `    ${quote(`${one.name}:${one.summary}`)}`).join("\n");
  return `${name}_commands() {
  local -a commands=(
${lines}
  )
  _describe -t commands command commands
${own.some(({ kind }) => kind === "file") ? "  _files\n" : ""}}
`;
}

function argumentSpecs({ commands, arguments: own }: CommandModel, name: string): string[] {
  if (commands.length > 0)
    return [quote(`1:command:${name}_commands`), ...own.slice(1).map((one, at) => argumentSpec(one, at + 1))];
  return own.map(argumentSpec);
}

const argumentSpec = (argument: ArgumentModel, at: number): string =>
  quote(`${argument.isVariadic ? "*" : at + 1}:${plain(argument.name)}:${action(argument)}`);

function optionSpecs({ flags, text, value }: OptionModel): string[] {
  const explained = `[${plain(text)}]`;
  if (value === undefined) return flags.map((flag) => quote(`(${flags.join(" ")})${flag}${explained}`));
  const behind = `:${plain(value.name)}:${action(value)}`;
  // An option with a value may be repeated: which ones may, the model does not say.
  return flags.map((flag) => quote(`*${flag}${flag.startsWith("--") ? "=" : "+"}${explained}${behind}`));
}

function action({ kind, choices }: ValueModel): string {
  if (kind === "choice") return `(${choices.join(" ")})`;
  // Where an argument has an empty action, _arguments does not offer the options.
  return kind === "file" ? "_files" : kind === "directory" ? "_files -/" : "()";
}

/** In the text of a specification. */
const plain = (text: string): string => text.replace(/[\\[\]:]/g, "\\$&");
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

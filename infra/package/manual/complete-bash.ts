/** The completion of a program for bash 4.0 or newer, without the package bash-completion. */
import type { CommandModel, ProgramModel, ValueModel } from "../../../lib/cli/command-model.ts";
import { allCommands, optionsOf, type PlacedCommand, valueOptions } from "./commands.ts";

export function completeBash(program: ProgramModel): string {
  const placed = allCommands(program);
  const name = `_${program.name.replaceAll("-", "_")}`;
  return `# Completion of ${program.name} for bash.
${name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local path= position=0 i
  COMPREPLY=()
  # Bash divides --option=value into three words.
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
${commandWords(placed, program)}
    esac
    case \${COMP_WORDS[i]} in
${valueFlags(program)}
    -?* | =) ;;
    *) ((position += 1)) ;;
    esac
  done
  case $prev in
${optionValues(program)}
  esac
  if [[ $cur == -* ]]; then
    case $path in
${placed.map(({ path, command }) => arm(quote(pathOf(path)), words(flagsOf(command, program)))).join("\n")}
    esac
    return
  fi
  case $path:$position in
${placed.flatMap((one) => positions(one)).join("\n")}
  esac
}
complete -F ${name} ${program.name}
`;
}

const pathOf = (path: readonly string[]): string => path.map((word) => ` ${word}`).join("");
const quote = (text: string): string => `'${text}'`;
const arm = (pattern: string, work: string): string => `    ${pattern}) ${work} ;;`;
const words = (list: readonly string[]): string =>
  `mapfile -t COMPREPLY < <(compgen -W ${quote(list.join(" "))} -- "$cur")`;
/** Bash quotes the names and adds the slash of a folder. */
const paths = (flag: string): string =>
  `compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen ${flag} -- "$cur")`;

function commandWords(placed: readonly PlacedCommand[], program: CommandModel): string {
  const patterns = placed.filter(({ path }) => path.length > 0).map(({ path }) => quote(pathOf(path)));
  if (patterns.length === 0) return "    '') ;;";
  // Beside arguments of its own, a program takes a command as the first word only.
  const first = program.arguments.length > 0 ? "((i == 1)) && " : "";
  return arm(patterns.join(" | "), `${first}path+=" \${COMP_WORDS[i]}" && continue`);
}

function valueFlags(program: CommandModel): string {
  const flags = valueOptions(program).flatMap((option) => option.flags);
  if (flags.length === 0) return "    '') ;;";
  return arm(flags.join(" | "), `[[ \${COMP_WORDS[i + 1]} == = ]] && ((i += 1)); ((i += 1))`);
}

function optionValues(program: CommandModel): string {
  const options = valueOptions(program);
  if (options.length === 0) return "    '') ;;";
  const works = [...new Set(options.map(({ value }) => valueWords(value)))];
  return works
    .map((work) => {
      const flags = options.filter(({ value }) => valueWords(value) === work).flatMap((option) => option.flags);
      return arm([...new Set(flags)].join(" | "), `${work}; return`);
    })
    .join("\n");
}

function valueWords({ kind, choices }: ValueModel): string {
  if (kind === "choice") return words(choices);
  return kind === "none" ? ":" : paths(kind === "file" ? "-f" : "-d");
}

const flagsOf = (command: CommandModel, program: CommandModel): string[] =>
  optionsOf(command, program).flatMap(({ flags }) => flags);

/** The words and files that are offered at each position behind the command. */
function positions({ path, command }: PlacedCommand): string[] {
  const names = command.commands.map(({ name }) => name);
  const first = names.length === 0 ? [] : [words(names)];
  const arms = command.arguments.map((argument, at) => {
    const pattern = argument.isVariadic ? `${quote(`${pathOf(path)}:`)}*` : quote(`${pathOf(path)}:${at}`);
    const own = valueWords(argument);
    if (at > 0 || names.length === 0) return arm(pattern, own);
    return arm(pattern, `${own}; COMPREPLY+=($(compgen -W ${quote(names.join(" "))} -- "$cur"))`);
  });
  return arms.length > 0 ? arms : first.map((work) => arm(quote(`${pathOf(path)}:0`), work));
}

/** The manual page of a program, in the language of man(7). */
import type { ArgumentModel, CommandModel, OptionModel, ProgramModel } from "../../../lib/cli/command-model.ts";
import { GROUP_USAGE } from "../../../lib/cli/program.ts";

export interface ManPageOptions {
  /** 1 for programs of users, 8 for those of administrators. */
  readonly section: 1 | 8;
  /** In seconds since 1970; the day is shown. */
  readonly epochS: number;
  readonly version: string;
  /** The other programs, as `cb-admin(8)`. */
  readonly seeAlso: readonly string[];
}

const SECTIONS = { 1: "User Commands", 8: "System Administration" } as const;

/** Ends with a line break. Passes `man --warnings` and `mandoc -T lint`. */
export function manPage(program: ProgramModel, { section, epochS, version, seeAlso }: ManPageOptions): string {
  const { name, summary, usage } = program;
  const date = new Date(epochS * 1000).toISOString().slice(0, 10);
  return [
    `.TH ${quoted(name.toUpperCase())} ${section} ${date} ${quoted(`container-builder ${version}`)} ${quoted(SECTIONS[section])}`,
    ".SH NAME",
    `${escaped(name)} \\- ${escaped(asPurpose(summary))}`,
    ".SH SYNOPSIS",
    `.B ${escaped(name)}`,
    escaped(usage),
    ".SH DESCRIPTION",
    escaped(summary),
    ...program.arguments.flatMap(argumentItem),
    ".SH OPTIONS",
    ...optionItems(program.options),
    ...(program.commands.length === 0
      ? []
      : [".SH COMMANDS", ...leaves(program.commands, []).flatMap(({ path, command }) => commandText(path, command))]),
    ".SH ENVIRONMENT",
    ...program.variables.flatMap(([variable, text]) => item(bold(variable), text)),
    ".SH FILES",
    ...program.files.flatMap(([path, text]) => item(italic(path), text)),
    ".SH EXIT STATUS",
    ...program.exitCodes.flatMap(([code, text]) => item(bold(code), text)),
    ".SH EXAMPLES",
    ...program.examples.flatMap(([line, text]) => item(bold(line), text)),
    ".SH SEE ALSO",
    seeAlso.map((page) => `.BR ${escaped(page).replace("(", " (")}`).join(" ,\n"),
    "",
  ].join("\n");
}

/** For makewhatis: one line, without the full stop and the capital of a sentence. */
const asPurpose = (summary: string): string =>
  summary.replace(/\. .*|\.$/s, "").replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());

function commandText(path: readonly string[], command: CommandModel): string[] {
  return [
    `.SS ${quoted(`${path.join(" ")} ${command.usage}`)}`,
    escaped(asSentence(command.summary)),
    ...command.arguments.flatMap(argumentItem),
    ...optionItems(command.options.filter(({ flags }) => !flags.includes("--help"))),
  ];
}

const asSentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, "")}.`;

interface Leaf {
  readonly path: readonly string[];
  readonly command: CommandModel;
}

/** Each command, and each of its own commands behind it. A command that only groups others has no text of its own. */
function leaves(commands: readonly CommandModel[], parents: readonly string[]): Leaf[] {
  return commands.flatMap((command) => {
    const path = [...parents, command.name];
    return [...(command.usage === GROUP_USAGE ? [] : [{ path, command }]), ...leaves(command.commands, path)];
  });
}

function optionItems(options: readonly OptionModel[]): string[] {
  const groups = [...new Set(options.map(({ group }) => group))];
  return groups.flatMap((group) => [
    ...(group === undefined ? [] : [`.SS ${quoted(group.replace(/:$/, ""))}`]),
    ...options.filter((option) => option.group === group).flatMap(({ term, help }) => item(bold(term), help)),
  ]);
}

const argumentItem = ({ term, text }: ArgumentModel): string[] => item(italic(term), text);

const item = (term: string, text: string): string[] => [".TP", term, escaped(text)];
const bold = (text: string): string => `.B ${escaped(text)}`;
const italic = (text: string): string => `.I ${escaped(text)}`;

/** Each character stands for itself: roff would print a hyphen for `-`, and typographic signs for others. */
const CHARACTERS: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  '"': "\\(dq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};

const escaped = (text: string): string =>
  text.replace(/[\\\-'"`^~]/g, (character) => CHARACTERS[character] ?? character).replace(/^\./, "\\&.");

const quoted = (text: string): string => `"${escaped(text)}"`;

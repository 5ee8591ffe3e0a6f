/**
 * The text of a definition file as apptainer sees it: cut into stages, its template arguments filled in, cut into
 * sections. What is said here of apptainer was tried with 1.4.5 (test/integration/recipe/recipe-parsing.full.test.ts).
 */
import { CbError } from "../../core/errors.ts";

export interface Line {
  /** Which line of the recipe it is, from 0. The value of an argument may have made several of one. */
  readonly origin: number;
  /** With its arguments filled in, without its line ending. */
  readonly text: string;
  /** The names of these arguments. */
  readonly filled: readonly string[];
}

export interface Section {
  /** In lower case: `files`. Empty for the header. */
  readonly name: string;
  /** What follows the name after one blank: `from build`. */
  readonly rest: string;
  /** Where it is named; the header of a stage has no such line. */
  readonly head: Line | undefined;
  readonly lines: readonly Line[];
}

type Values = ReadonlyMap<string, string>;

const TEMPLATE = /\{\{\s*(\w+)\s*\}\}/g;

/** The sections of each stage, the header first. Throws CbError "usage" naming an argument without a value. */
export function stagesOf(text: string, buildArgs: Readonly<Record<string, string>> = {}): Section[][] {
  const given = new Map(Object.entries(buildArgs));
  return cutIntoStages(text).map((lines) => {
    const values = new Map([...defaultsOf(lines), ...given]);
    return sectionsOf(lines.flatMap((line) => filledLine(line, values)));
  });
}

/** A line that begins with `Bootstrap:`, be it in the middle of a script, begins a stage. */
function cutIntoStages(text: string): Line[][] {
  const stages: Line[][] = [[]];
  for (const [origin, line] of text.split("\n").entries()) {
    if (/^bootstrap:/i.test(line)) stages.push([]);
    stages.at(-1)?.push({ origin, text: line.replace(/\r$/, ""), filled: [] });
  }
  return stages;
}

/** `%arguments` of a stage is for this stage alone. */
function defaultsOf(lines: readonly Line[]): [string, string][] {
  const sections = sectionsOf(lines).filter(({ name }) => name === "arguments");
  return sections
    .flatMap((section) => section.lines)
    .flatMap(({ text }): [string, string][] => {
      const [, name = "", value = ""] = /^([^=]*)=(.*)$/.exec(text.trim()) ?? [];
      return text.trim().startsWith("#") || name.trim() === "" ? [] : [[name.trim(), value.trim()]];
    });
}

function filledLine({ origin, text }: Line, values: Values): Line[] {
  let done = 0;
  const names: string[] = [];
  const filled = text.replace(TEMPLATE, (whole, name: string, at: number) => {
    // apptainer takes any # with something behind it for the begin of a comment, but for #!.
    if (/#[^!]/.test(text.slice(done, at))) return whole;
    done = at + whole.length;
    names.push(name);
    return filledIn(name, values, origin);
  });
  return filled.split("\n").map((part) => ({ origin, text: part, filled: names }));
}

/** Values may name other arguments, and those are not looked into again. */
function filledIn(name: string, values: Values, origin: number): string {
  const value = values.get(name);
  if (value === undefined) {
    throw new CbError("usage", `line ${origin + 1} of the recipe: the argument {{ ${name} }} has no value`, {
      hint: `give it one: --build-arg ${name}=VALUE, or a line ${name}=VALUE in %arguments of the same stage`,
    });
  }
  return value.replace(TEMPLATE, (whole, inner: string) => values.get(inner) ?? whole);
}

function sectionsOf(lines: readonly Line[]): Section[] {
  const sections: (Section & { lines: Line[] })[] = [{ name: "", rest: "", head: undefined, lines: [] }];
  for (const line of lines) {
    if (!/^\s*%/.test(line.text)) {
      sections.at(-1)?.lines.push(line);
      continue;
    }
    // An indented one ends the section before it too; apptainer then refuses it, as a section without a name.
    const [, name = "", rest = ""] = /^%*([^ ]*) ?(.*)$/.exec(line.text) ?? [];
    sections.push({ name: name === "" ? "?" : name.toLowerCase(), rest, head: line, lines: [] });
  }
  return sections;
}

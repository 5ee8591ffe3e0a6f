/**
 * Parses a definition file as apptainer does: splits it into stages, substitutes template arguments, splits stages into
 * sections. Each statement about apptainer here was tested with 1.4.5
 * (test/integration/recipe/recipe-parsing.full.test.ts).
 */
import { CbError } from "../../core/errors.ts";
import { type Line, TemplateArguments } from "./template-arguments.ts";

export interface Section {
  /** In lower case: `files`. Empty for the header. */
  readonly name: string;
  /** The rest of the head line, after the name and one blank: `from build`. */
  readonly rest: string;
  /** The line with the section's name; undefined for the header of a stage. */
  readonly head: Line | undefined;
  readonly lines: readonly Line[];
}

/** Definition files of real projects have some thousands. */
const LINES_MAX = 100_000;

/**
 * The sections of each stage, the header first. Throws CbError "usage" that names an argument without a value, the line where
 * the arguments become too long, or more than LINES_MAX lines.
 */
export function stagesOf(text: string, buildArgs: Readonly<Record<string, string>> = {}): Section[][] {
  const lines = text.split("\n");
  if (lines.length > LINES_MAX) {
    throw new CbError("usage", `the recipe has ${lines.length} lines; the limit is ${LINES_MAX}`, {
      hint: "name folders in %files instead of single files, and copy data as a file",
    });
  }
  const given = new Map(Object.entries(buildArgs));
  const size = { bytes: 0 };
  return splitStages(lines).map((lines) => {
    const template = new TemplateArguments(new Map([...defaultsOf(lines), ...given]), size);
    return sectionsOf(lines.flatMap((line) => template.substitute(line)));
  });
}

/** A line that begins with `Bootstrap:` begins a stage, even in the middle of a script. */
function splitStages(lines: readonly string[]): Line[][] {
  const stages: Line[][] = [[]];
  for (const [origin, line] of lines.entries()) {
    if (/^bootstrap:/i.test(line)) stages.push([]);
    stages.at(-1)?.push({ origin, text: line.replace(/\r$/, ""), argumentNames: [] });
  }
  return stages;
}

/** The defaults in `%arguments` of a stage apply to this stage only. */
function defaultsOf(lines: readonly Line[]): [string, string][] {
  const sections = sectionsOf(lines).filter(({ name }) => name === "arguments");
  return sections
    .flatMap((section) => section.lines)
    .flatMap(({ text }): [string, string][] => {
      const [, name = "", value = ""] = /^([^=]*)=(.*)$/.exec(text.trim()) ?? [];
      return text.trim().startsWith("#") || name.trim() === "" ? [] : [[name.trim(), value.trim()]];
    });
}

function sectionsOf(lines: readonly Line[]): Section[] {
  const sections: (Section & { lines: Line[] })[] = [{ name: "", rest: "", head: undefined, lines: [] }];
  for (const line of lines) {
    if (!/^\s*%/.test(line.text)) {
      sections.at(-1)?.lines.push(line);
      continue;
    }
    // An indented section name also ends the section before it; apptainer then refuses it as a section without a name.
    const [, name = "", rest = ""] = /^%*([^ ]*) ?(.*)$/s.exec(line.text) ?? [];
    sections.push({ name: name === "" ? "?" : name.toLowerCase(), rest, head: line, lines: [] });
  }
  return sections;
}

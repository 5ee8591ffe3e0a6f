/** How a file may be called, and how long it may be. */
import type { SourceFile } from "./source.ts";

/** A file is one idea; what is longer than five screens is several. */
const MOST_LINES = 300;

export function badNames(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path }) => {
    const why = objection(path);
    return why === undefined ? [] : [`${path} ${why}`];
  });
}

function objection(path: string): string | undefined {
  const name = path.split("/").at(-1) ?? "";
  if (/^index\.(ts|mjs)$/.test(name)) return "is a barrel: import from the file that has the thing";
  if (/(^|[/.-])(utils?|helpers?|misc|common)([/.-]|$)/.test(path))
    return "is named after nothing: name it after its idea";
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.full)?(\.openstack)?(\.test)?\.(ts|mjs)$/.test(name))
    return "is not named in kebab-case";
  return undefined;
}

export function tooLong(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.trimEnd().split("\n").length;
    return lines > MOST_LINES ? [`${path} has ${lines} lines; ${MOST_LINES} are enough for one idea`] : [];
  });
}

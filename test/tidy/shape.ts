/** The names of files, their length, and how many files a folder holds. */
import { dirname } from "node:path";
import type { SourceFile } from "./source.ts";

/** A file holds one idea. 300 lines are five screens. */
const MOST_LINES = 300;
/** A folder is read as one list. */
const MOST_FILES = 20;
/** Recorded replies of OpenStack services, numbered in the order of the requests: data, which is not read file by file. */
const RECORDINGS = "test/fixtures/";

export function badNames(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path }) => {
    const objection = objectionTo(path);
    return objection === undefined ? [] : [`${path} ${objection}`];
  });
}

function objectionTo(path: string): string | undefined {
  const name = path.split("/").at(-1) ?? "";
  if (/^index\.(ts|mjs)$/.test(name)) return "is a barrel: import from the file that defines the name";
  if (/(^|[/.-])(utils?|helpers?|misc|common)([/.-]|$)/.test(path)) return "names no idea: name it after its idea";
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.full)?(\.openstack|\.deploy)?(\.test)?\.(ts|mjs)$/.test(name))
    return "is not named in kebab-case";
  return undefined;
}

export function tooLong(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.trimEnd().split("\n").length;
    return lines > MOST_LINES ? [`${path} has ${lines} lines; ${MOST_LINES} are enough for one idea`] : [];
  });
}

/** `paths`: from the project's root. */
export function crowdedFolders(paths: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const path of paths.filter((candidate) => !candidate.startsWith(RECORDINGS)))
    counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  return [...counts]
    .filter(([, count]) => count > MOST_FILES)
    .map(([folder, count]) => `${folder} has ${count} files; ${MOST_FILES} are enough for one component`);
}

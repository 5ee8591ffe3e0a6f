/** The difference between the files of a site as they are and as they should be. Pure. */
import type { SiteFile } from "../files/site-file.ts";

/** A file on the disk. */
export interface Present {
  readonly text: string;
  readonly mode: number;
}

export interface Change {
  readonly kind: "new" | "changed" | "mode" | "removed";
  /** In the site's folder. */
  readonly path: string;
}

/**
 * In the order of the paths. `present`: the files in the folders of hosts, operators and clients. `written`: the paths that an
 * earlier run wrote; a file that another program put there is never removed.
 */
export function changesOf(
  wanted: readonly SiteFile[],
  present: ReadonlyMap<string, Present>,
  written: readonly string[],
): Change[] {
  const paths = new Set(wanted.map(({ path }) => path));
  const removed = written.filter((path) => present.has(path) && !paths.has(path));
  return [
    ...wanted.flatMap((file) => changeOf(file, present.get(file.path))),
    ...removed.map((path) => ({ kind: "removed", path }) as const),
  ].sort((one, other) => (one.path < other.path ? -1 : 1));
}

function changeOf({ path, text, mode }: SiteFile, present: Present | undefined): Change[] {
  if (present === undefined) return [{ kind: "new", path }];
  if (present.text !== text) return [{ kind: "changed", path }];
  return present.mode === mode ? [] : [{ kind: "mode", path }];
}

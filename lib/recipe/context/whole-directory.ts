/** Selects everything below the caller's directory except the paths in the ignore file. Links are sent as links. */
import type { Stats } from "node:fs";
import { type BytePath, childPath, isWithin } from "./byte-path.ts";
import type { ContextEntry } from "./collection.ts";
import { checkReadable, lstatOf, realPath } from "./file-access.ts";
import { readIgnoreFile } from "./ignore-file.ts";
import { isSendable, type Search, storedLink } from "./search.ts";
import { type VisitResult, walk } from "./walk.ts";

/** The first existing file counts: container-builder's own, then that of the recipe, then those of buildah and docker. */
const IGNORE_FILES = [".cbignore", ".containerignore", ".dockerignore"];

/**
 * `ignoreFile`: path of the ignore file of the recipe itself. Skips paths that the search has claimed. Yields undefined for a path that is not sent. Throws CbError "usage" for a
 * path that cannot be read.
 */
export function* wholeDirectory(
  stat: Stats,
  search: Search,
  ignoreFile: BytePath | undefined,
): Generator<ContextEntry | undefined> {
  const { directory } = search;
  // The recipe names the directory itself, so it has been walked already.
  if (search.claimed.get(directory) === "all") return;
  const [own = "", ...others] = IGNORE_FILES.map((name) => childPath(directory, name));
  const ignore = readIgnoreFile([own, ...(ignoreFile === undefined ? others : [ignoreFile])]);
  const start = directory === "/" ? 1 : directory.length + 1;
  yield* walk(directory, stat, (path): VisitResult => {
    const claimed = search.claimed.get(path);
    const stat = claimed === "all" ? undefined : lstatOf(path);
    if (stat === undefined) return {};
    const below = stat.isDirectory() ? { below: stat } : {};
    const name = path.slice(start);
    if (ignore?.ignores(name)) return ignore.mayReincludeBelow(name) ? below : {};
    return claimed === "itself" ? below : { ...entryOf(path, stat, search), ...below };
  });
}

function entryOf(path: BytePath, stat: Stats, search: Search): VisitResult {
  if (stat.isSymbolicLink()) return { entry: noteBrokenLink(storedLink(path, stat), search) };
  if (stat.isFile()) checkReadable(path);
  if (isSendable(stat)) return { entry: { path, stat, as: "stored" } };
  search.skipped.add("special", path);
  return {};
}

/** Records the link in the notes when it is broken on the builder. Returns the link. */
function noteBrokenLink(link: ContextEntry, { skipped, realDirectory }: Search): ContextEntry {
  const real = realPath(link.path);
  if (real === undefined) skipped.add("dangling", link.path, link.target);
  else if (!isWithin(realDirectory, real)) skipped.add("outside", link.path, link.target);
  else if (link.target?.startsWith("/")) skipped.add("absolute", link.path, link.target);
  return link;
}

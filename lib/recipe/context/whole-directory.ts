/** Everything below the caller's directory less what the ignore file lists; links as they are. */
import type { Stats } from "node:fs";
import { type BytePath, isWithin } from "./byte-path.ts";
import type { ContextEntry } from "./collection.ts";
import { checkReadable, lookAt, realPath } from "./file-access.ts";
import { readIgnoreFile } from "./ignore-file.ts";
import { isSendable, type Search, storedLink } from "./search.ts";
import { type Found, walk } from "./walk.ts";

/** The first that is there counts: ours, then those of buildah and docker. */
const IGNORE_FILES = [".cbignore", ".containerignore", ".dockerignore"];

/** What the search has taken already is passed over. Yields undefined for what is not sent. Throws CbError "usage". */
export function* wholeDirectory(stat: Stats, search: Search): Generator<ContextEntry | undefined> {
  const { directory } = search;
  // As a part of the directory that is named in the recipe it was walked already.
  if (search.taken.get(directory) === "all") return;
  const ignore = readIgnoreFile(directory, IGNORE_FILES);
  const start = directory === "/" ? 1 : directory.length + 1;
  yield* walk(directory, stat, (path): Found => {
    const taken = search.taken.get(path);
    const own = taken === "all" ? undefined : lookAt(path);
    if (own === undefined) return {};
    const below = own.isDirectory() ? { below: own } : {};
    const name = path.slice(start);
    if (ignore?.ignores(name)) return ignore.mayHoldWanted(name) ? below : {};
    return taken === "itself" ? below : { ...entryOf(path, own, search), ...below };
  });
}

function entryOf(path: BytePath, stat: Stats, search: Search): Found {
  if (stat.isSymbolicLink()) return { entry: noted(storedLink(path, stat), search) };
  if (stat.isFile()) checkReadable(path);
  if (isSendable(stat)) return { entry: { path, stat, as: "stored" } };
  search.leftOut.add("special", path);
  return {};
}

function noted(link: ContextEntry, { leftOut, realDirectory }: Search): ContextEntry {
  const real = realPath(link.path);
  if (real === undefined) leftOut.add("dangling", link.path, link.target);
  else if (!isWithin(realDirectory, real)) leftOut.add("outside", link.path, link.target);
  else if (link.target?.startsWith("/")) leftOut.add("absolute", link.path, link.target);
  return link;
}

/** Expands the path or pattern of a recipe into paths on the disk. */
import { posix } from "node:path";
import type { RecipeInput } from "../recipe-input.ts";
import { type BytePath, childPath, foldersBetween, fromText, isWithin, toText } from "./byte-path.ts";
import { ENTRIES_MAX } from "./collection.ts";
import { lstatOf, statOf } from "./file-access.ts";
import { globRegExp, isPattern } from "./glob.ts";
import { namesIn } from "./walk.ts";

/**
 * Absolute paths, with the `..` of the recipe. A path without a pattern is returned even when it does not exist.
 * `goStyle`: true for buildah's patterns, which match dot files and know `**`; false for those of a shell, which do
 * neither.
 */
export function expand({ path, pattern }: RecipeInput, start: BytePath, goStyle: boolean): BytePath[] {
  const parts = fromText(path)
    .split("/")
    .filter((part) => part !== "" && part !== ".");
  let found: BytePath[] = [start];
  for (const part of parts) {
    if (!pattern || !isPattern(part)) found = found.map((folder) => childPath(folder, part));
    else if (goStyle && part === "**") found = found.flatMap((folder) => [...withFoldersBelow(folder)]);
    else found = found.flatMap((folder) => matchesIn(folder, globRegExp(toText(part), { dotFiles: goStyle })));
    if (found.length === 0) break;
  }
  // A shell takes a pattern without a match literally.
  const literal = childPath(start, parts.join("/"));
  if (pattern && !goStyle && found.length === 0 && lstatOf(literal) !== undefined) return [literal];
  // The names after a pattern may exist in only some of its matches.
  return pattern && isPattern(path)
    ? [...new Set(found)].filter((candidate) => lstatOf(candidate) !== undefined)
    : found;
}

function matchesIn(folder: BytePath, name: RegExp): BytePath[] {
  if (!statOf(folder)?.isDirectory()) return [];
  const matches: BytePath[] = [];
  for (const found of namesIn(folder)) if (name.test(toText(found))) matches.push(childPath(folder, found));
  return matches.sort();
}

/** The folder and all folders below it. Does not follow links, because they may form a loop. */
function* withFoldersBelow(root: BytePath): Generator<BytePath> {
  const waiting = [root];
  let checked = 0;
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    if (!statOf(folder)?.isDirectory()) continue;
    yield folder;
    for (const name of namesIn(folder)) {
      if (checked++ > ENTRIES_MAX) return;
      const path = childPath(folder, name);
      if (lstatOf(path)?.isDirectory()) waiting.push(path);
    }
  }
}

/** The folders between the directory and the path, and those that must exist so that a path with `..` resolves. */
export function foldersTraversed(path: BytePath, directory: BytePath): BytePath[] {
  const folders = new Set(foldersBetween(directory, posix.normalize(path)));
  if (path.split("/").includes("..")) {
    for (let prefix = posix.dirname(path); prefix !== "/"; prefix = posix.dirname(prefix)) {
      const folder = posix.normalize(prefix);
      if (isWithin(directory, folder) && folder !== directory) folders.add(folder);
    }
  }
  return [...folders].sort();
}

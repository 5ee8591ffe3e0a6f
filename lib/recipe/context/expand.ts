/** From the path in a recipe to the paths on the disk that it means. */
import { posix } from "node:path";
import type { RecipeInput } from "../recipe-input.ts";
import { type BytePath, foldersBetween, fromText, isWithin, shown, under } from "./byte-path.ts";
import { MOST_ENTRIES } from "./collection.ts";
import { lookAt, lookThrough } from "./file-access.ts";
import { globRegExp, isPattern } from "./glob.ts";
import { namesIn } from "./walk.ts";

/**
 * Absolute, with `.` and `..` as the recipe has them; what is named without a pattern need not exist. `goStyle`: patterns
 * match dot files and know `**` as those of buildah do; those of shells do neither.
 */
export function expand({ path, pattern }: RecipeInput, start: BytePath, goStyle: boolean): BytePath[] {
  const parts = fromText(path)
    .split("/")
    .filter((part) => part !== "" && part !== ".");
  let found: BytePath[] = [start];
  for (const part of parts) {
    if (!pattern || !isPattern(part)) found = found.map((folder) => under(folder, part));
    else if (goStyle && part === "**") found = found.flatMap((folder) => [...withFoldersBelow(folder)]);
    else found = found.flatMap((folder) => matchesIn(folder, globRegExp(shown(part), { dotFiles: goStyle })));
    if (found.length === 0) break;
  }
  // A shell takes a pattern that matches nothing for a name.
  const literal = under(start, parts.join("/"));
  if (pattern && !goStyle && found.length === 0 && lookAt(literal) !== undefined) return [literal];
  // What follows a pattern is there in some of its matches only.
  return pattern && isPattern(path)
    ? [...new Set(found)].filter((candidate) => lookAt(candidate) !== undefined)
    : found;
}

function matchesIn(folder: BytePath, name: RegExp): BytePath[] {
  if (!lookThrough(folder)?.isDirectory()) return [];
  const matches: BytePath[] = [];
  for (const found of namesIn(folder)) if (name.test(shown(found))) matches.push(under(folder, found));
  return matches.sort();
}

/** Without following links, which could go round in circles. */
function* withFoldersBelow(root: BytePath): Generator<BytePath> {
  const waiting = [root];
  let looked = 0;
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    if (!lookThrough(folder)?.isDirectory()) continue;
    yield folder;
    for (const name of namesIn(folder)) {
      if (looked++ > MOST_ENTRIES) return;
      const path = under(folder, name);
      if (lookAt(path)?.isDirectory()) waiting.push(path);
    }
  }
}

/** The folders that must be there so that a path with `..` in it leads anywhere, and those between the directory and it. */
export function foldersOnTheWay(path: BytePath, directory: BytePath): BytePath[] {
  const way = new Set(foldersBetween(directory, posix.normalize(path)));
  if (path.split("/").includes("..")) {
    for (let prefix = posix.dirname(path); prefix !== "/"; prefix = posix.dirname(prefix)) {
      const folder = posix.normalize(prefix);
      if (isWithin(directory, folder) && folder !== directory) way.add(folder);
    }
  }
  return [...way].sort();
}

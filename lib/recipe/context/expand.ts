/** Expands the path or pattern of a recipe into paths on the disk. */
import { posix } from "node:path";
import { CbError } from "../../core/errors.ts";
import type { PathPattern } from "../path-pattern.ts";
import { type BytePath, childPath, foldersBetween, fromText, isWithin, toText } from "./byte-path.ts";
import { ENTRIES_MAX } from "./collection.ts";
import { lstatOf, statOf } from "./file-access.ts";
import { type GlobMatcher, globMatcher, isPattern } from "./glob.ts";
import { namesIn } from "./walk.ts";

/**
 * Absolute paths, with the `..` of the recipe. A path without a pattern is returned even when it does not exist.
 * `goStyle`: true for buildah's patterns, which match dot files and know `**`; false for those of a shell, which do
 * neither. Yields between folders, so that the caller can pause. Throws CbError "usage" for a pattern that looks at
 * more than ENTRIES_MAX names, as `*` and `/../` in turns do, and for a folder that cannot be read.
 */
export function* expand(
  { path, pattern }: PathPattern,
  start: BytePath,
  goStyle: boolean,
): Generator<undefined, BytePath[]> {
  const count = counter(path);
  const parts = fromText(path)
    .split("/")
    .filter((part) => part !== "" && part !== ".");
  let found: BytePath[] = [start];
  for (const part of parts) {
    if (!pattern || !isPattern(part)) found = found.map((folder) => childPath(folder, part));
    else found = yield* expandPart(found, part, { goStyle, count });
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

/**
 * True when the path exists below `root`, or the pattern of a shell matches something there. `file.path` is absolute.
 * Throws as expand().
 */
export function existsBelow(root: string, file: PathPattern): boolean {
  const search = expand(file, fromText(root), false);
  for (let step = search.next(); ; step = search.next()) {
    if (step.done) return step.value.some((path) => lstatOf(path) !== undefined);
  }
}

interface PartOptions {
  readonly goStyle: boolean;
  /** Call it for each name that is looked at. */
  readonly count: () => void;
}

/** The folders, which may repeat after `**`, are each listed once. */
function* expandPart(
  folders: readonly BytePath[],
  part: string,
  { goStyle, count }: PartOptions,
): Generator<undefined, BytePath[]> {
  const anyDepth = goStyle && part === "**";
  const matches = globMatcher(toText(part), goStyle ? "go" : "shell");
  const found = new Set<BytePath>();
  for (const folder of folders) {
    yield;
    const below = anyDepth ? withFoldersBelow(folder, count) : matchesIn(folder, matches, count);
    for (const path of below) found.add(path);
  }
  return [...found];
}

/** Throws CbError "usage" at the call after ENTRIES_MAX. */
function counter(path: string): () => void {
  let calls = 0;
  return () => {
    calls += 1;
    if (calls <= ENTRIES_MAX) return;
    const hint = "name the folder that contains the files instead";
    throw new CbError("usage", `the pattern ${path} looks at more than ${ENTRIES_MAX} files and folders`, { hint });
  };
}

function matchesIn(folder: BytePath, matches: GlobMatcher, count: () => void): BytePath[] {
  if (!statOf(folder)?.isDirectory()) return [];
  const found: BytePath[] = [];
  for (const name of namesIn(folder)) {
    count();
    if (matches(toText(name))) found.push(childPath(folder, name));
  }
  return found.sort();
}

/** The folder and all folders below it. Does not follow links, because they may form a loop. */
function* withFoldersBelow(root: BytePath, count: () => void): Generator<BytePath> {
  const waiting = [root];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    count();
    if (!statOf(folder)?.isDirectory()) continue;
    yield folder;
    for (const name of namesIn(folder)) {
      count();
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

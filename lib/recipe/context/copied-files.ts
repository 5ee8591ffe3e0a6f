/**
 * What a Dockerfile's COPY and ADD name. buildah takes the directory for the root of everything, follows what is named,
 * copies links below as they are, and passes over what the ignore file lists; so nothing of that is sent.
 */
import { posix } from "node:path";
import type { RecipeInput } from "../recipe-input.ts";
import { type BytePath, foldersBetween, shown, under } from "./byte-path.ts";
import type { ContextEntry } from "./collection.ts";
import { expand } from "./expand.ts";
import { checkReadable, isReadable, linkTarget, lookAt } from "./file-access.ts";
import { type IgnoreFile, readIgnoreFile } from "./ignore-file.ts";
import { resolveWithin } from "./resolve.ts";
import { isSendable, missing, refusal, type Search, storedLink } from "./search.ts";
import { type Found, walk } from "./walk.ts";

/** In the order in which buildah looks for them. */
const IGNORE_FILES = [".containerignore", ".dockerignore"];

/** Yields undefined where it has looked and found nothing to send. Throws CbError "usage". */
export function* copiedFiles(wants: readonly RecipeInput[], search: Search): Generator<ContextEntry | undefined> {
  if (wants.length === 0) return;
  const { directory } = search;
  const ignore = readIgnoreFile(directory, IGNORE_FILES);
  const roots = new Set<BytePath>();
  for (const want of wants) {
    for (const path of namedPaths(want, directory, ignore)) {
      const { links, target } = followed(want, path, search);
      for (const step of [...links, target]) yield* entriesTo(step, search);
      roots.add(target);
    }
  }
  // buildah reads it too, and must come to the same result.
  if (ignore !== undefined) yield* entriesTo(under(directory, ignore.name), search);
  for (const root of roots) search.take(root, "all");
  for (const root of roots) {
    const stat = lookAt(root);
    if (stat?.isDirectory()) yield* walk(root, stat, (path) => visit(path, search, ignore));
  }
}

function namedPaths(want: RecipeInput, directory: BytePath, ignore: IgnoreFile | undefined): BytePath[] {
  const paths = expand(want, directory, true);
  if (paths.length === 0) throw missing(want, directory);
  const kept = paths.filter((path) => {
    const name = nameIn(directory, posix.normalize(path));
    return name === "" || ignore?.ignores(name) !== true || ignore.mayHoldWanted(name);
  });
  const first = paths[0] ?? "";
  if (kept.length > 0) return kept;
  throw refusal(want, first, `is left out by ${ignore?.name}`, `take it out of ${ignore?.name}, or out of the recipe`);
}

const nameIn = (directory: BytePath, path: BytePath): string => path.slice(directory.length).replace(/^\//, "");

function followed(
  want: RecipeInput,
  path: BytePath,
  { directory }: Search,
): { links: readonly BytePath[]; target: BytePath } {
  const end = resolveWithin(directory, path.slice(directory.length).split("/"));
  const link = end.links.at(-1);
  const isLink = link === undefined ? "" : `: ${shown(link)} is a symbolic link to ${shown(linkTarget(link))}`;
  if (end.kind === "outside") {
    const hint = "copy what is needed into the directory, or call from a directory that holds both";
    throw refusal(want, posix.normalize(path), `is out of ${shown(directory)}${isLink}`, hint);
  }
  if (end.kind === "missing") {
    if (link === undefined) throw missing(want, directory);
    const hint = "links in COPY must lead to something in the directory; absolute ones start at the directory too";
    throw refusal(want, path, `leads to nothing in ${shown(directory)}${isLink}`, hint);
  }
  const stat = lookAt(end.at);
  if (stat !== undefined && !isSendable(stat)) {
    throw refusal(want, path, "is neither a file nor a folder", "name regular files and folders");
  }
  checkReadable(end.at);
  return { links: end.links, target: end.at };
}

/** It and the folders above it in the directory. */
function* entriesTo(path: BytePath, search: Search): Generator<ContextEntry> {
  for (const step of [...foldersBetween(search.directory, path), path]) {
    const stat = lookAt(step);
    if (stat === undefined || !isSendable(stat)) continue;
    // A folder that may only be passed is made by tar on the way.
    if (stat.isDirectory() && !isReadable(step)) continue;
    if (!search.take(step, "itself")) continue;
    yield stat.isSymbolicLink() ? storedLink(step, stat) : { path: step, stat, as: "stored" };
  }
}

function visit(path: BytePath, search: Search, ignore: IgnoreFile | undefined): Found {
  const taken = search.taken.get(path);
  if (taken === "all") return {};
  const stat = lookAt(path);
  if (stat === undefined) return {};
  const name = nameIn(search.directory, path);
  const below = stat.isDirectory() ? { below: stat } : {};
  if (ignore?.ignores(name)) return ignore.mayHoldWanted(name) ? below : {};
  if (!isSendable(stat)) {
    search.leftOut.add("special", path);
    return {};
  }
  if (taken === "itself") return below;
  if (stat.isSymbolicLink()) return { entry: storedLink(path, stat) };
  if (stat.isFile()) checkReadable(path);
  return { entry: { path, stat, as: "stored" }, ...below };
}

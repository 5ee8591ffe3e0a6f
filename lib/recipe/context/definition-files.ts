/**
 * Selects the files that a definition file names. apptainer copies them with `cp -L`, so a link is sent as its target,
 * under the name of the link. A link that the recipe names may lead anywhere. A link below a named folder may lead only
 * into the caller's directory or into a named path, because the caller has not approved anything else. The folder of a
 * `localimage` is a root file system of its own and keeps its links.
 */
import type { Stats } from "node:fs";
import { posix } from "node:path";
import type { CbError } from "../../core/errors.ts";
import type { RecipeInput } from "../recipe-input.ts";
import { type BytePath, childPath, fromText, isWithin, toText } from "./byte-path.ts";
import type { ContextEntry } from "./collection.ts";
import { expand, foldersTraversed } from "./expand.ts";
import { checkReadable, isReadable, linkTarget, lstatOf, realPath, statOf } from "./file-access.ts";
import { isSendable, missing, refusal, type Search, storedLink } from "./search.ts";
import { type Folder, type VisitResult, walk } from "./walk.ts";

interface Root {
  readonly input: RecipeInput;
  readonly path: BytePath;
  readonly stat: Stats;
}

/** Yields undefined after a check that found nothing to send. Throws CbError "usage" as findContext() does. */
export function* definitionFiles(inputs: readonly RecipeInput[], search: Search): Generator<ContextEntry | undefined> {
  const roots = new Map<BytePath, Root>();
  const allowed = new Set([search.realDirectory]);
  for (const input of inputs) {
    for (const path of yield* namedPaths(input, search)) {
      yield* foldersTo(path, search);
      const root = namedRoot(input, path, search);
      if (search.claim(root.path, "all")) yield { path: root.path, stat: root.stat, as: "followed" };
      if (!roots.has(root.path)) roots.set(root.path, root);
      allowed.add(realPath(root.path) ?? root.path);
    }
  }
  // The walks start when all roots are known, because a root below another root has its own rules.
  for (const { input, path, stat } of roots.values()) {
    if (!stat.isDirectory()) continue;
    yield* walk(path, stat, (child, parent) => visit(child, parent, { input, search, allowed }));
  }
}

/** Without the files that a script of the recipe makes. */
function* namedPaths(input: RecipeInput, search: Search): Generator<undefined, BytePath[]> {
  const start = input.path.startsWith("/") ? "/" : search.directory;
  const paths = yield* expand(input, start, false);
  if (paths.length === 0) {
    if (!input.mayBeMadeByScript) throw missing(input, search.directory);
    search.skipped.add("made", childPath(start, fromText(input.path).replace(/^\//, "")));
    return [];
  }
  const made = input.mayBeMadeByScript ? paths.filter((path) => lstatOf(path) === undefined) : [];
  for (const path of made) search.skipped.add("made", path);
  return paths.filter((path) => !made.includes(path));
}

/** Readable folders are sent, so that they keep owner and mode; tar creates the others. */
function* foldersTo(path: BytePath, search: Search): Generator<ContextEntry> {
  for (const folder of foldersTraversed(path, search.directory)) {
    const stat = statOf(folder);
    const isUsable = stat?.isDirectory() === true && isReadable(folder);
    if (isUsable && search.claim(folder, "itself")) yield { path: folder, stat, as: "followed" };
  }
}

function namedRoot(input: RecipeInput, path: BytePath, search: Search): Root {
  const stat = statOf(path);
  if (stat === undefined) throw lstatOf(path) === undefined ? missing(input, search.directory) : dangling(input, path);
  const plain = posix.normalize(path);
  if (plain !== path && realPath(path) !== realPath(plain)) {
    // The kernel applies `..` to the link's target; on the builder the link is a folder, so `..` would mean another
    // one.
    throw refusal(input, path, "has .. after a symbolic link", "write the path without .. after a symbolic link");
  }
  if (!isSendable(stat)) {
    throw refusal(input, path, "is neither a file nor a folder", "name only regular files and folders");
  }
  checkReadable(path);
  return { input, path: plain, stat };
}

function dangling(input: RecipeInput, path: BytePath): CbError {
  const problem = `is a symbolic link to ${toText(linkTarget(path))}, which does not exist`;
  return refusal(input, path, problem, "correct the link, or remove it");
}

interface VisitOptions {
  readonly input: RecipeInput;
  readonly search: Search;
  /** Folders and files that links may lead into, with links resolved: the caller's directory and all named paths. */
  readonly allowed: ReadonlySet<BytePath>;
}

function visit(path: BytePath, parent: Folder, options: VisitOptions): VisitResult {
  const { input, search } = options;
  const claimed = search.claimed.get(path);
  if (claimed === "all") return {};
  const own = lstatOf(path);
  // Another program deleted the file after the walk listed it.
  if (own === undefined) return {};
  if (own.isSymbolicLink() && input.links === "keep") return { entry: storedLink(path, own) };
  const stat = own.isSymbolicLink() ? targetStat(path, parent, options) : own;
  if (!isSendable(stat)) {
    search.skipped.add("special", path);
    return {};
  }
  if (stat.isFile()) checkReadable(path);
  const entry: ContextEntry = { path, stat, as: input.links === "keep" ? "stored" : "followed" };
  return { ...(claimed === undefined ? { entry } : {}), ...(stat.isDirectory() ? { below: stat } : {}) };
}

function targetStat(path: BytePath, parent: Folder, { input, search, allowed }: VisitOptions): Stats {
  const stat = statOf(path);
  const real = realPath(path);
  if (stat === undefined || real === undefined) throw dangling(input, path);
  const linkText = `is a symbolic link to ${toText(linkTarget(path))}`;
  if (!isInOneOf(allowed, real)) {
    const hint = "name the link itself in %files, or copy its target into the directory";
    throw refusal(input, path, `${linkText}, outside of ${toText(search.directory)}`, hint);
  }
  // Such a link is a loop: neither cp nor the walk would end.
  const isLoop = isWithin(real, realPath(parent.path) ?? parent.path) || isAmongParents(stat, parent);
  if (isLoop) throw refusal(input, path, `${linkText}, a folder that contains the link`, "remove the link");
  return stat;
}

function isInOneOf(folders: ReadonlySet<BytePath>, path: BytePath): boolean {
  for (let part = path; ; part = posix.dirname(part)) {
    if (folders.has(part)) return true;
    if (part === "/") return false;
  }
}

function isAmongParents({ dev, ino }: Stats, parent: Folder): boolean {
  for (let folder: Folder | undefined = parent; folder !== undefined; folder = folder.parent) {
    if (folder.stat.dev === dev && folder.stat.ino === ino) return true;
  }
  return false;
}

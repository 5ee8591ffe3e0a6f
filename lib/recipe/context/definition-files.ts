/**
 * What a definition file names. apptainer copies it with `cp -L`, so links are sent as what they lead to, under the name of
 * the link. What is named may lead anywhere; a link below a named folder only to what is named too, or in the
 * caller's directory: nobody has thought of anything else. The folder of a `localimage` is a system of its own and keeps its links.
 */
import type { Stats } from "node:fs";
import { posix } from "node:path";
import type { CbError } from "../../core/errors.ts";
import type { RecipeInput } from "../recipe-input.ts";
import { type BytePath, isWithin, shown } from "./byte-path.ts";
import type { ContextEntry } from "./collection.ts";
import { expand, foldersOnTheWay } from "./expand.ts";
import { checkReadable, isReadable, linkTarget, lookAt, lookThrough, realPath } from "./file-access.ts";
import { isSendable, missing, refusal, type Search, storedLink } from "./search.ts";
import { type Folder, type Found, walk } from "./walk.ts";

interface Root {
  readonly want: RecipeInput;
  readonly path: BytePath;
  readonly stat: Stats;
}

/** Yields undefined where it has looked and found nothing to send. Throws CbError "usage". */
export function* definitionFiles(wants: readonly RecipeInput[], search: Search): Generator<ContextEntry | undefined> {
  const roots = new Map<BytePath, Root>();
  const open = new Set([search.realDirectory]);
  for (const want of wants) {
    for (const path of namedPaths(want, search)) {
      yield* foldersTo(path, search);
      const root = namedRoot(want, path, search);
      if (search.take(root.path, "all")) yield { path: root.path, stat: root.stat, as: "followed" };
      if (!roots.has(root.path)) roots.set(root.path, root);
      open.add(realPath(root.path) ?? root.path);
    }
  }
  // Each is walked when all are known: what is itself named below a named folder has its own rules.
  for (const { want, path, stat } of roots.values()) {
    if (!stat.isDirectory()) continue;
    yield* walk(path, stat, (child, inside) => visit(child, inside, { want, search, open }));
  }
}

/** Without what the recipe makes itself. */
function namedPaths(want: RecipeInput, search: Search): BytePath[] {
  const paths = expand(want, want.path.startsWith("/") ? "/" : search.directory, false);
  if (paths.length === 0) throw missing(want, search.directory);
  const made = want.perhapsMade ? paths.filter((path) => lookAt(path) === undefined) : [];
  for (const path of made) search.leftOut.add("made", path);
  return paths.filter((path) => !made.includes(path));
}

/** With their owner and mode, as long as they can be read; tar makes the others on the way. */
function* foldersTo(path: BytePath, search: Search): Generator<ContextEntry> {
  for (const folder of foldersOnTheWay(path, search.directory)) {
    const stat = lookThrough(folder);
    const usable = stat?.isDirectory() === true && isReadable(folder);
    if (usable && search.take(folder, "itself")) yield { path: folder, stat, as: "followed" };
  }
}

function namedRoot(want: RecipeInput, path: BytePath, search: Search): Root {
  const stat = lookThrough(path);
  if (stat === undefined) throw lookAt(path) === undefined ? missing(want, search.directory) : dangling(want, path);
  const plain = posix.normalize(path);
  if (plain !== path && realPath(path) !== realPath(plain)) {
    // The kernel takes `..` from where the link has led; the builder has a folder in the place of the link.
    throw refusal(want, path, "goes back by .. behind a symbolic link", "write the path without .. behind a link");
  }
  if (!isSendable(stat)) throw refusal(want, path, "is neither a file nor a folder", "name regular files and folders");
  checkReadable(path);
  return { want, path: plain, stat };
}

function dangling(want: RecipeInput, path: BytePath): CbError {
  const what = `is a symbolic link to ${shown(linkTarget(path))}, which does not exist`;
  return refusal(want, path, what, "correct the link, or remove it");
}

interface Below {
  readonly want: RecipeInput;
  readonly search: Search;
  /** Where links may lead: the directory and all that is named, without links. */
  readonly open: ReadonlySet<BytePath>;
}

function visit(path: BytePath, inside: Folder, below: Below): Found {
  const { want, search } = below;
  const taken = search.taken.get(path);
  if (taken === "all") return {};
  const own = lookAt(path);
  // It was there a moment ago, and nobody needs it any more.
  if (own === undefined) return {};
  if (own.isSymbolicLink() && want.links === "keep") return { entry: storedLink(path, own) };
  const stat = own.isSymbolicLink() ? behindLink(path, inside, below) : own;
  if (!isSendable(stat)) {
    search.leftOut.add("special", path);
    return {};
  }
  if (stat.isFile()) checkReadable(path);
  const entry: ContextEntry = { path, stat, as: want.links === "keep" ? "stored" : "followed" };
  return { ...(taken === undefined ? { entry } : {}), ...(stat.isDirectory() ? { below: stat } : {}) };
}

function behindLink(path: BytePath, inside: Folder, { want, search, open }: Below): Stats {
  const stat = lookThrough(path);
  const real = realPath(path);
  if (stat === undefined || real === undefined) throw dangling(want, path);
  const isLink = `is a symbolic link to ${shown(linkTarget(path))}`;
  if (!isInOneOf(open, real)) {
    const hint = "name the link in %files itself, or copy what it leads to into the directory";
    throw refusal(want, path, `${isLink}, out of ${shown(search.directory)}`, hint);
  }
  // cp would not come to an end there, and neither would the walk.
  const leadsUp = isWithin(real, realPath(inside.path) ?? inside.path);
  if (leadsUp || wasOnTheWay(stat, inside))
    throw refusal(want, path, `${isLink}, a folder that it is in`, "remove the link");
  return stat;
}

function isInOneOf(folders: ReadonlySet<BytePath>, path: BytePath): boolean {
  for (let part = path; ; part = posix.dirname(part)) {
    if (folders.has(part)) return true;
    if (part === "/") return false;
  }
}

function wasOnTheWay({ dev, ino }: Stats, inside: Folder): boolean {
  for (let folder: Folder | undefined = inside; folder !== undefined; folder = folder.above) {
    if (folder.stat.dev === dev && folder.stat.ino === ino) return true;
  }
  return false;
}

/**
 * Selects the files that a Dockerfile's COPY and ADD name. buildah takes the directory as the root, follows a named
 * link, copies links below a named folder as links, and skips the paths in the ignore file; so skipped paths are not
 * sent.
 */
import { posix } from "node:path";
import { CbError } from "../../core/errors.ts";
import type { RecipeInput } from "../recipe-input.ts";
import { type BytePath, childPath, foldersBetween, isWithin, toText } from "./byte-path.ts";
import type { ContextEntry } from "./collection.ts";
import { expand } from "./expand.ts";
import { checkReadable, isReadable, linkTarget, lstatOf, realPath, resolveWithin, statOf } from "./file-access.ts";
import { type IgnoreFile, readIgnoreFile } from "./ignore-file.ts";
import { isSendable, missing, refusal, type Search, storedLink } from "./search.ts";
import { type VisitResult, walk } from "./walk.ts";

/** In buildah's order of preference, after the ignore file of the recipe itself. */
const IGNORE_FILES = [".containerignore", ".dockerignore"];

/**
 * `ignoreFile`: path of the ignore file of the recipe itself, which replaces those of the directory. Yields undefined after a check that found nothing to send. Throws CbError "usage" as findContext() does.
 */
export function* copiedFiles(
  inputs: readonly RecipeInput[],
  search: Search,
  ignoreFile: BytePath | undefined,
): Generator<ContextEntry | undefined> {
  if (inputs.length === 0) return;
  const { directory } = search;
  const ofDirectory = IGNORE_FILES.map((name) => childPath(directory, name));
  const ignore = readIgnoreFile(ignoreFile === undefined ? ofDirectory : [ignoreFile]);
  const roots = new Set<BytePath>();
  const optional = new OptionalSources();
  for (const input of inputs) {
    const paths = yield* namedPaths(input, directory, ignore);
    optional.add(input, paths.length > 0);
    for (const path of paths) {
      const { links, target } = followed(input, path, search);
      for (const step of [...links, target]) yield* entriesTo(step, search);
      roots.add(target);
    }
  }
  optional.check(directory);
  // buildah reads the ignore file too, and must select the same files.
  if (ignore !== undefined) yield* ignoreEntries(ignore.path, search);
  for (const root of roots) search.claim(root, "all");
  for (const root of roots) {
    const stat = lstatOf(root);
    if (stat?.isDirectory()) yield* walk(root, stat, (path) => visit(path, search, ignore));
  }
}

/** Each instruction with optional sources must have one source at least that exists. */
class OptionalSources {
  /** The first source without a match, of each instruction that has no other source so far. */
  readonly #unmatched = new Map<string, RecipeInput>();
  readonly #matched = new Set<string>();

  add(input: RecipeInput, exists: boolean): void {
    if (exists) this.#matched.add(input.where);
    else if (!this.#unmatched.has(input.where)) this.#unmatched.set(input.where, input);
  }

  /** Throws CbError "usage" for the first instruction without any source. */
  check(directory: BytePath): void {
    for (const [instruction, input] of this.#unmatched) {
      if (!this.#matched.has(instruction)) throw missing(input, directory);
    }
  }
}

/**
 * The ignore file of a recipe may be outside of the directory. buildah reads the target of an ignore file that is a link, so the
 * target is sent, under the name of the link. Throws CbError "usage" for a link to a place that the caller has not named:
 * a directory from another person may have one to ~/.ssh.
 */
function* ignoreEntries(path: BytePath, search: Search): Generator<ContextEntry> {
  const isLink = lstatOf(path)?.isSymbolicLink() === true;
  if (isLink) checkIgnoreLink(path, search);
  else if (isWithin(search.directory, path)) return yield* entriesTo(path, search);
  const stat = statOf(path);
  if (stat !== undefined && search.claim(path, "itself")) yield { path, stat, as: "followed" };
}

function checkIgnoreLink(path: BytePath, { realDirectory }: Search): void {
  const target = realPath(path) ?? "";
  const folder = realPath(posix.dirname(path)) ?? "";
  if (isWithin(realDirectory, target) || isWithin(folder, target)) return;
  const problem = `is a symbolic link that leads out of ${toText(folder)}, to ${toText(target)}`;
  throw new CbError("usage", `the ignore file ${toText(path)} ${problem}`, {
    hint: "replace the link by a copy of the file",
  });
}

function* namedPaths(
  input: RecipeInput,
  directory: BytePath,
  ignore: IgnoreFile | undefined,
): Generator<undefined, BytePath[]> {
  const found = yield* expand(input, directory, true);
  const paths = input.optional ? found.filter((path) => mayExist(path, directory)) : found;
  const [first] = paths;
  if (first === undefined) {
    if (!input.optional) throw missing(input, directory);
    return [];
  }
  const kept = paths.filter((path) => {
    const name = nameIn(directory, posix.normalize(path));
    return name === "" || ignore?.ignores(name) !== true || ignore.mayReincludeBelow(name);
  });
  if (kept.length > 0) return kept;
  const ignoreName = toText(nameIn(directory, ignore?.path ?? ""));
  const hint = `remove the pattern from ${ignoreName}, or the path from the recipe`;
  throw refusal(input, first, `is excluded by ${ignoreName}`, hint);
}

/** False when nothing is at the path and no link leads to it: followed() gives every other error. */
function mayExist(path: BytePath, directory: BytePath): boolean {
  const { kind, links } = resolveWithin(directory, path.slice(directory.length).split("/"));
  return kind !== "missing" || links.length > 0;
}

/** Relative to the directory, for a path in it; else the path as it is. */
const nameIn = (directory: BytePath, path: BytePath): string =>
  isWithin(directory, path) ? path.slice(directory.length).replace(/^\//, "") : path;

function followed(
  input: RecipeInput,
  path: BytePath,
  { directory }: Search,
): { links: readonly BytePath[]; target: BytePath } {
  const end = resolveWithin(directory, path.slice(directory.length).split("/"));
  const link = end.links.at(-1);
  const linkText = link === undefined ? "" : `: ${toText(link)} is a symbolic link to ${toText(linkTarget(link))}`;
  if (end.kind === "outside") {
    const hint = "copy the file into the directory, or call from a directory that contains both";
    throw refusal(input, posix.normalize(path), `is outside of ${toText(directory)}${linkText}`, hint);
  }
  if (end.kind === "missing") {
    if (link === undefined) throw missing(input, directory);
    const hint =
      "correct the link: its target must be in the directory, and an absolute target starts at the directory too";
    throw refusal(input, path, `leads to no file in ${toText(directory)}${linkText}`, hint);
  }
  const stat = lstatOf(end.at);
  if (stat !== undefined && !isSendable(stat)) {
    throw refusal(input, path, "is neither a file nor a folder", "name only regular files and folders");
  }
  checkReadable(end.at);
  return { links: end.links, target: end.at };
}

/** The path, and the folders between the directory and it. */
function* entriesTo(path: BytePath, search: Search): Generator<ContextEntry> {
  for (const step of [...foldersBetween(search.directory, path), path]) {
    const stat = lstatOf(step);
    if (stat === undefined || !isSendable(stat)) continue;
    // tar creates a folder that the caller may traverse but not read.
    if (stat.isDirectory() && !isReadable(step)) continue;
    if (!search.claim(step, "itself")) continue;
    yield stat.isSymbolicLink() ? storedLink(step, stat) : { path: step, stat, as: "stored" };
  }
}

function visit(path: BytePath, search: Search, ignore: IgnoreFile | undefined): VisitResult {
  const claimed = search.claimed.get(path);
  if (claimed === "all") return {};
  const stat = lstatOf(path);
  if (stat === undefined) return {};
  const name = nameIn(search.directory, path);
  const below = stat.isDirectory() ? { below: stat } : {};
  if (ignore?.ignores(name)) return ignore.mayReincludeBelow(name) ? below : {};
  if (!isSendable(stat)) {
    search.skipped.add("special", path);
    return {};
  }
  if (claimed === "itself") return below;
  if (stat.isSymbolicLink()) return { entry: storedLink(path, stat) };
  if (stat.isFile()) checkReadable(path);
  return { entry: { path, stat, as: "stored" }, ...below };
}

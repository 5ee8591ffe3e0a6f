/** What a definition file reads from its caller's disk. */
import { posix } from "node:path";
import { CbError } from "../../core/errors.ts";
import type { Recipe } from "../../protocol/build-messages.ts";
import { pathPattern } from "../path-pattern.ts";
import type { RecipeInput } from "../recipe-input.ts";
import { expandShellWord } from "../shell-word.ts";
import { mayBeMadeBy } from "./made-by-script.ts";
import { type BaseSource, type DefinitionSource, type FilesSource, readDefinition } from "./sources.ts";

/** Throws CbError "usage" on an argument without a value, and on a source whose meaning depends on the machine. */
export function definitionInputs(recipe: Recipe): RecipeInput[] {
  const { sources, script } = readDefinition(recipe);
  return sources.flatMap((source) => wants(source, script));
}

function wants(source: DefinitionSource, script: string): RecipeInput[] {
  if (source.kind === "files") return pathsOf(source).map((path) => wantOf(path, whereOf(source), script));
  if (source.kind === "base") return [baseWant(source)];
  return [{ path: source.source, pattern: false, links: "follow", where: whereOf(source) }];
}

function wantOf(path: string, where: string, script: string): RecipeInput {
  const want: RecipeInput = { ...pathPattern(path, false), links: "follow", where };
  return !want.pattern && mayBeMadeBy(script, path) ? { ...want, perhapsMade: true } : want;
}

/** An image that is a folder is a root file system, whose links mean something inside it alone. */
function baseWant(source: BaseSource): RecipeInput {
  const folder = source.bootstrap === "localimage";
  const path = folder ? posix.normalize(source.path) : source.path;
  return { path, pattern: false, links: folder ? "keep" : "follow", where: whereOf(source) };
}

/** `line 12: %files`. */
function whereOf(source: DefinitionSource): string {
  const what = source.kind === "base" ? `From of ${source.bootstrap}` : `%${source.kind}`;
  return `line ${source.line.origin + 1}: ${what}`;
}

/**
 * The paths that a line of %files stands for, its patterns as they are. Throws CbError "usage" on an absolute one that
 * has a pattern in its folder and no destination: each file goes to its own folder then, and no single line can say so.
 */
export function pathsOf(source: FilesSource): string[] {
  const paths = expandShellWord(source.source, whereOf(source));
  const lost = paths.find((path) => source.destination === undefined && isLost(path));
  if (lost === undefined) return paths;
  throw new CbError("usage", `${whereOf(source)} ${JSON.stringify(source.source)} has a pattern in its folder`, {
    hint: "name the destination too",
  });
}

const isLost = (path: string): boolean =>
  path.startsWith("/") && pathPattern(path.slice(0, path.lastIndexOf("/")), false).pattern;

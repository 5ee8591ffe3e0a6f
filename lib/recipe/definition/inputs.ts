/** Lists the files and folders that a definition file reads from the caller's disk. */
import { posix } from "node:path";
import { CbError } from "../../core/errors.ts";
import type { Recipe } from "../../protocol/build-messages.ts";
import { pathPattern } from "../path-pattern.ts";
import type { RecipeInput } from "../recipe-input.ts";
import { ExpandedPaths, expandShellWord } from "../shell-word.ts";
import { ScriptSigns } from "./made-by-script.ts";
import { type BaseSource, type DefinitionSource, type FilesSource, readDefinition } from "./sources.ts";

/**
 * Throws CbError "usage" for an argument without a value, and for a source that would mean something else on a builder.
 */
export function definitionInputs(recipe: Recipe): RecipeInput[] {
  const { sources, script } = readDefinition(recipe);
  const options = { expanded: new ExpandedPaths(), signs: new ScriptSigns(script) };
  return sources.flatMap((source) => inputsOfSource(source, options));
}

interface Options {
  readonly expanded: ExpandedPaths;
  readonly signs: ScriptSigns;
}

function inputsOfSource(source: DefinitionSource, { expanded, signs }: Options): RecipeInput[] {
  if (source.kind === "files") return pathsOf(source, expanded).map((path) => pathInput(path, whereOf(source), signs));
  if (source.kind === "base") return [baseInput(source)];
  return [{ path: source.source, pattern: false, links: "follow", where: whereOf(source) }];
}

function pathInput(path: string, where: string, signs: ScriptSigns): RecipeInput {
  const input: RecipeInput = { ...pathPattern(path, false), links: "follow", where };
  return signs.mayMake(path) ? { ...input, mayBeMadeByScript: true } : input;
}

/** A `localimage` may be a folder: a root file system, where links are valid only inside it. So links are kept. */
function baseInput(source: BaseSource): RecipeInput {
  const mayBeFolder = source.bootstrap === "localimage";
  const path = mayBeFolder ? posix.normalize(source.path) : source.path;
  return { path, pattern: false, links: mayBeFolder ? "keep" : "follow", where: whereOf(source) };
}

/** `line 12: %files`. */
function whereOf(source: DefinitionSource): string {
  const place = source.kind === "base" ? `From of ${source.bootstrap}` : `%${source.kind}`;
  return `line ${source.line.origin + 1}: ${place}`;
}

/**
 * The paths that a line of %files stands for, patterns unchanged. Throws CbError "usage" for an absolute path with a
 * pattern in its folder and no destination: apptainer then copies each match to its own folder, which one rewritten
 * line cannot express. Throws as expandShellWord().
 */
export function pathsOf(source: FilesSource, expanded: ExpandedPaths): string[] {
  const paths = expandShellWord(source.source, whereOf(source), expanded);
  if (source.destination !== undefined || !paths.some(hasPatternInFolder)) return paths;
  const problem = `${JSON.stringify(source.source)} has a pattern in its folder and no destination`;
  throw new CbError("usage", `${whereOf(source)} ${problem}`, { hint: "add a destination to this line" });
}

const hasPatternInFolder = (path: string): boolean =>
  path.startsWith("/") && pathPattern(path.slice(0, path.lastIndexOf("/")), false).pattern;

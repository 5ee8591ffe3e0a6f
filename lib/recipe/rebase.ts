/** A definition file for a builder, where its caller's disk is mirrored in a folder. */

import { CbError } from "../core/errors.ts";
import type { Recipe } from "../protocol/build-messages.ts";
import { indentOf, withLines } from "./definition/edit.ts";
import { pathsOf } from "./definition/inputs.ts";
import { mayBeMadeBy } from "./definition/made-by-script.ts";
import type { Line } from "./definition/sections.ts";
import {
  type AppFilesSource,
  type BaseSource,
  type DefinitionSource,
  type FilesSource,
  readDefinition,
} from "./definition/sources.ts";
import { pathPattern } from "./path-pattern.ts";
import { shellWord } from "./shell-word.ts";

/** Nothing in it means anything to a shell, to a header or to apptainer's splitting of lines. */
const PLAIN_ROOT = /^(\/[A-Za-z0-9._-]+)+$/;

/**
 * The text, with `root` before every absolute source; all else stays byte for byte. It is meant for an apptainer that
 * runs in `<root>/<the caller's directory>`, where relative sources find what they mean. What the caller has not got
 * (`hasFile`, of an absolute path) and a script of the recipe makes is made on the builder, and stays where it is. Throws CbError "usage" as
 * wantsOf does, and "bug" on a root with other characters than letters, digits, dots, hyphens and underscores.
 */
export function rebaseSources(recipe: Recipe, root: string, hasFile: (path: string) => boolean = () => true): string {
  if (!PLAIN_ROOT.test(root)) throw new CbError("bug", `no folder for a context: ${JSON.stringify(root)}`);
  if (recipe.backend === "docker") return recipe.text;
  const changed = new Map<Line, string>();
  const { lines, sources, script } = readDefinition(recipe);
  const rebase = (path: string): string =>
    path.startsWith("/") && !(mayBeMadeBy(script, path) && !hasFile(path)) ? root + path : path;
  for (const source of sources) {
    const line = rebased(source, root, rebase);
    if (line === undefined) continue;
    changed.set(source.line, line);
    if (source.kind === "base") for (const more of source.continued) changed.set(more, "");
  }
  return withLines(recipe, lines, changed);
}

/** Where a source is on the builder. */
type Rebase = (path: string) => string;

/** Undefined when it may stay as it is. */
function rebased(source: DefinitionSource, root: string, rebase: Rebase): string | undefined {
  if (source.kind === "files") return rebasedFiles(source, rebase);
  return source.kind === "base" ? rebasedBase(source, root) : rebasedAppFiles(source, root);
}

function rebasedFiles(source: FilesSource, rebase: Rebase): string | undefined {
  const paths = pathsOf(source);
  if (!paths.some((path) => path.startsWith("/"))) return undefined;
  const lines = paths.map((path) => {
    const destination = source.destination ?? (path.startsWith("/") ? ownDestination(path) : undefined);
    const word = shellWord(rebase(path));
    return destination === undefined ? word : `${word} "${destination}"`;
  });
  return lines.map((line) => indentOf(source.line) + line).join("\n");
}

/** Without a destination a file goes where it was: what a pattern finds, into the pattern's folder. */
const ownDestination = (path: string): string =>
  pathPattern(path, false).pattern ? path.slice(0, path.lastIndexOf("/") + 1) : path;

function rebasedAppFiles({ line, source, destination }: AppFilesSource, root: string): string | undefined {
  if (!source.startsWith("/")) return undefined;
  return `${indentOf(line)}${root}${source} ${destination ?? source}`;
}

function rebasedBase({ line, path, reference }: BaseSource, root: string): string | undefined {
  return path.startsWith("/") ? `${indentOf(line)}From: ${root}${path}${reference}` : undefined;
}

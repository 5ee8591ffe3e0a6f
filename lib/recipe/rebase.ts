/** Rewrites a definition file for a builder, where a folder mirrors the caller's disk. */

import { CbError } from "../core/errors.ts";
import type { Recipe } from "../protocol/build-messages.ts";
import { indentOf, withLines } from "./definition/edit.ts";
import { pathsOf } from "./definition/inputs.ts";
import { ScriptSigns } from "./definition/made-by-script.ts";
import {
  type AppFilesSource,
  type BaseSource,
  type DefinitionSource,
  type FilesSource,
  readDefinition,
} from "./definition/sources.ts";
import type { Line } from "./definition/template-arguments.ts";
import { type PathPattern, pathPattern } from "./path-pattern.ts";
import { ExpandedPaths, shellWord } from "./shell-word.ts";

/** Without characters that are special to a shell, to a header or to apptainer's line parser. */
const PLAIN_ROOT = /^(\/[A-Za-z0-9._-]+)+$/;

/**
 * The text with `root` put before every absolute source; everything else stays byte for byte. apptainer must run in
 * `<root>/<the caller's directory>`, so that relative sources resolve there. An absolute path or pattern that a script
 * of the recipe may make stays as it is when `hasFile` finds none on the caller's disk: the script makes it on the
 * builder. Throws CbError "usage" as inputsOf() does, and "bug" for a root with characters other than letters,
 * digits, dots, hyphens and underscores.
 */
export function rebaseSources(
  recipe: Recipe,
  root: string,
  hasFile: (file: PathPattern) => boolean = () => true,
): string {
  if (!PLAIN_ROOT.test(root))
    throw new CbError("bug", `the root of a context must be a plain absolute path: ${JSON.stringify(root)}`);
  if (recipe.backend === "docker") return recipe.text;
  const changed = new Map<Line, string>();
  const { lines, sources, script } = readDefinition(recipe);
  const signs = new ScriptSigns(script);
  const rebase = (path: string): string =>
    path.startsWith("/") && !(signs.mayMake(path) && !hasFile(pathPattern(path, false))) ? root + path : path;
  const expanded = new ExpandedPaths();
  for (const source of sources) {
    const line = rebased(source, { root, rebase, expanded });
    if (line === undefined) continue;
    changed.set(source.line, line);
    if (source.kind === "base") for (const more of source.continued) changed.set(more, "");
  }
  return withLines(recipe, lines, changed);
}

interface RebaseOptions {
  readonly root: string;
  /** From the path in the recipe to the path on the builder. */
  readonly rebase: (path: string) => string;
  readonly expanded: ExpandedPaths;
}

/** The new text of the source's line. Undefined when the line stays as it is. */
function rebased(source: DefinitionSource, options: RebaseOptions): string | undefined {
  if (source.kind === "files") return rebasedFiles(source, options);
  return source.kind === "base" ? rebasedBase(source, options.root) : rebasedAppFiles(source, options.root);
}

function rebasedFiles(source: FilesSource, { rebase, expanded }: RebaseOptions): string | undefined {
  const paths = pathsOf(source, expanded);
  if (!paths.some((path) => path.startsWith("/"))) return undefined;
  const lines = paths.map((path) => {
    const destination = source.destination ?? (path.startsWith("/") ? defaultDestination(path) : undefined);
    const word = shellWord(rebase(path));
    return destination === undefined ? word : `${word} "${destination}"`;
  });
  return lines.map((line) => indentOf(source.line) + line).join("\n");
}

/**
 * apptainer's default: the destination of a file is its path on the caller's disk; that of a pattern is the pattern's
 * folder.
 */
const defaultDestination = (path: string): string =>
  pathPattern(path, false).pattern ? path.slice(0, path.lastIndexOf("/") + 1) : path;

function rebasedAppFiles({ line, source, destination }: AppFilesSource, root: string): string | undefined {
  if (!source.startsWith("/")) return undefined;
  return `${indentOf(line)}${root}${source} ${destination ?? source}`;
}

function rebasedBase({ line, path, reference }: BaseSource, root: string): string | undefined {
  return path.startsWith("/") ? `${indentOf(line)}From: ${root}${path}${reference}` : undefined;
}

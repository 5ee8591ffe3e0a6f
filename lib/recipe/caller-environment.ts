/** What the caller's environment means in a definition file: apptainer's shell knows it in the sources of %files. */
import type { Recipe } from "../protocol/build-messages.ts";
import { indentOf, withLines } from "./definition/edit.ts";
import type { Line } from "./definition/sections.ts";
import { readDefinition } from "./definition/sources.ts";
import { guarded } from "./shell-word.ts";

/** A guarded character, a variable, or the caller's home at the begin of the word. */
const PART = /\\.|\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})|^~(?=\/|$)/gs;

/**
 * The recipe with `~`, `$NAME` and `${NAME}` in sources of %files written out, for a machine that has another environment.
 * A name that is not set stays, for wantsOf to refuse it: apptainer would take it for nothing, and `$DATA/x` for `/x`.
 * Throws CbError "usage" as wantsOf does on an argument without a value.
 */
export function withCallerEnvironment(
  recipe: Recipe,
  environment: Readonly<Record<string, string | undefined>>,
): Recipe {
  if (recipe.backend === "docker") return recipe;
  const { lines, sources } = readDefinition(recipe);
  const changed = new Map<Line, string>();
  for (const source of sources) {
    if (source.kind !== "files") continue;
    const { line, destination } = source;
    const word = writtenOut(source.source, environment);
    if (word === source.source) continue;
    changed.set(line, `${indentOf(line)}"${word}"${destination === undefined ? "" : ` "${destination}"`}`);
  }
  return { ...recipe, text: withLines(recipe, lines, changed) };
}

function writtenOut(word: string, environment: Readonly<Record<string, string | undefined>>): string {
  return word.replace(PART, (part: string, short?: string, long?: string) => {
    if (part.startsWith("\\")) return part;
    const value = environment[part === "~" ? "HOME" : (short ?? long ?? "")];
    // Neither a double quote nor a line break can stand in a source.
    return value === undefined || /["\n]/.test(value) ? part : guarded(value);
  });
}

/**
 * Expands the caller's environment variables in a definition file: apptainer's shell expands them in the sources of
 * %files.
 */
import { CbError } from "../core/errors.ts";
import { RECIPE_MAX_BYTES, type Recipe } from "../protocol/build-messages.ts";
import { indentOf, withLines } from "./definition/edit.ts";
import { readDefinition } from "./definition/sources.ts";
import type { Line } from "./definition/template-arguments.ts";
import { escapeForShell } from "./shell-word.ts";

/** A character after a backslash, a variable, or `~` for the caller's home at the beginning of the word. */
const PART = /\\.|\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})|^~(?=\/|$)/gs;

/**
 * The recipe with `~`, `$NAME` and `${NAME}` in the sources of %files expanded, because a builder has another
 * environment. An unset variable stays in the text, so that inputsOf() refuses it: apptainer would expand it to
 * nothing, and `$DATA/x` to `/x`. Throws CbError "usage" for an argument without a value, as inputsOf() does, and when
 * the expanded recipe is longer than RECIPE_MAX_BYTES.
 */
export function withCallerEnvironment(
  recipe: Recipe,
  environment: Readonly<Record<string, string | undefined>>,
): Recipe {
  if (recipe.backend === "docker") return recipe;
  const { lines, sources } = readDefinition(recipe);
  const changed = new Map<Line, string>();
  let bytes = Buffer.byteLength(recipe.text);
  for (const source of sources) {
    if (source.kind !== "files") continue;
    const { line, destination } = source;
    const word = expanded(source.source, environment, (value) => {
      bytes += Buffer.byteLength(value);
      if (bytes > RECIPE_MAX_BYTES) throw tooLong(line);
    });
    if (word === source.source) continue;
    changed.set(line, `${indentOf(line)}"${word}"${destination === undefined ? "" : ` "${destination}"`}`);
  }
  return { ...recipe, text: withLines(recipe, lines, changed) };
}

function tooLong({ origin }: Line): CbError {
  const problem = `your environment variables make the recipe longer than ${RECIPE_MAX_BYTES} bytes`;
  return new CbError("usage", `line ${origin + 1}: %files: ${problem}`, {
    hint: "write the paths without variables, or name the folder that contains the files",
  });
}

function expanded(
  word: string,
  environment: Readonly<Record<string, string | undefined>>,
  onValue: (value: string) => void,
): string {
  return word.replace(PART, (part: string, short?: string, long?: string) => {
    if (part.startsWith("\\")) return part;
    const value = environment[part === "~" ? "HOME" : (short ?? long ?? "")];
    // A source can contain neither a double quote nor a line break.
    if (value === undefined || /["\n]/.test(value)) return part;
    const escaped = escapeForShell(value);
    onValue(escaped);
    return escaped;
  });
}

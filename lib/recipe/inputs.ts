/** What a recipe reads from its caller's disk. */

import { CbError } from "../core/errors.ts";
import type { Recipe } from "../protocol/build-messages.ts";
import { definitionInputs } from "./definition/inputs.ts";
import { dockerfileInputs } from "./dockerfile/inputs.ts";
import type { RecipeInput } from "./recipe-input.ts";

/** The longest list of files in a recipe that was seen has some hundreds. */
const WANTS_MAX = 10_000;

/**
 * Each once, in the order of the recipe. Where a recipe does not say for certain which files it takes, the folder that has
 * all of them. Throws CbError "usage" on more than WANTS_MAX, and on a source that cannot mean the same on a builder.
 */
export function inputsOf(recipe: Recipe): RecipeInput[] {
  const wants = recipe.backend === "docker" ? dockerfileInputs(recipe) : definitionInputs(recipe);
  const unique = new Map<string, RecipeInput>();
  for (const want of wants) {
    const key = JSON.stringify([want.path, want.pattern, want.links]);
    if (!unique.has(key)) unique.set(key, want);
  }
  if (unique.size <= WANTS_MAX) return [...unique.values()];
  throw new CbError("usage", `the recipe names more than ${WANTS_MAX} files`, { hint: "name the folders they are in" });
}

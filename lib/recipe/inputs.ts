/** Lists the files and folders of the caller's disk that a recipe reads, or that its options bind. */

import { CbError } from "../core/errors.ts";
import type { Recipe } from "../protocol/build-messages.ts";
import { definitionInputs } from "./definition/inputs.ts";
import { dockerfileInputs } from "./dockerfile/inputs.ts";
import type { RecipeInput } from "./recipe-input.ts";

/** Far above any real recipe: the longest one examined names some hundreds of files. */
const INPUTS_MAX = 10_000;

/** apptainer mounts the target of a link, so it is sent. */
const bindInputs = ({ options }: Recipe): RecipeInput[] =>
  (options?.binds ?? []).map(({ source }) => ({
    path: source,
    pattern: false,
    links: "follow",
    where: `--bind ${source}`,
  }));

/**
 * Each input once, in the order of the recipe. If the exact files are uncertain (a variable without a known value), the
 * input is the folder that contains all candidates. Throws CbError "usage" for more than INPUTS_MAX inputs, and for a
 * source that would mean something else on a builder.
 */
export function inputsOf(recipe: Recipe): RecipeInput[] {
  const inputs =
    recipe.backend === "docker" ? dockerfileInputs(recipe) : [...definitionInputs(recipe), ...bindInputs(recipe)];
  const withOptional = new Set(inputs.filter(({ optional }) => optional).map(({ where }) => where));
  const unique = new Map<string, RecipeInput>();
  for (const input of inputs) {
    // Whether an optional input may be missing depends on the others of its instruction, so these are kept together.
    const group = withOptional.has(input.where) ? input.where : "";
    const key = `${input.links} ${input.pattern} ${group}\0${input.path}`;
    if (!unique.has(key)) unique.set(key, input);
  }
  if (unique.size <= INPUTS_MAX) return [...unique.values()];
  throw new CbError("usage", `the recipe names ${unique.size} files; the limit is ${INPUTS_MAX}`, {
    hint: "name the folders that contain the files instead",
  });
}

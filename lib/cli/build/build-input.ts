/** Reads everything that a call says about what to build, and refuses mistakes that can be seen before anything is sent. */
import { CbError } from "../../core/errors.ts";
import { nearest } from "../../core/nearest.ts";
import type { Backend, Recipe } from "../../protocol/build-messages.ts";
import { withCallerEnvironment } from "../../recipe/caller-environment.ts";
import { checkRecipe } from "../../recipe/check.ts";
import { argumentNamesOf, unusedArgs } from "../../recipe/unused-args.ts";
import { readBuildArgs } from "./options/build-args.ts";
import type { BuildOptionValues } from "./options/declare.ts";
import { passedOptionsOf } from "./options/passed.ts";
import type { Environment } from "./options/variables.ts";
import { readSource, type Source } from "./source.ts";

/** The recipe is complete: with build arguments, options and the caller's variables. */
export type BuildInput = Source;

export interface InputCall {
  /** The argument RECIPE. */
  readonly named: string | undefined;
  readonly options: BuildOptionValues & { readonly backend?: Backend };
  readonly environment: Environment;
}

/**
 * Throws CbError "usage" as readSource(), readBuildArgs(), passedOptionsOf(), checkRecipe() and withCallerEnvironment(), and for a
 * build argument that the recipe does not use.
 */
export async function readInput({ named, options, environment }: InputCall): Promise<BuildInput> {
  const source = await readSource(named, options);
  const { values: buildArgs, unset } = await readBuildArgs(options, environment);
  const passed = passedOptionsOf(options, source.recipe.backend, source.shown);
  const recipe: Recipe = {
    ...source.recipe,
    ...(Object.keys(buildArgs).length === 0 ? {} : { buildArgs }),
    ...(passed === undefined ? {} : { options: passed }),
  };
  checkRecipe(recipe);
  const unused = unusedArgs(recipe);
  if (unused.length > 0 && options.warnUnusedBuildArgs !== true) throw unusedError(unused, recipe, source.shown);
  return {
    ...source,
    recipe: withCallerEnvironment(withoutArgs(recipe, unused), environment),
    notes: [
      ...source.notes,
      ...unset.map(
        (name) => `--build-arg ${name}: you have no environment variable ${name}, so the recipe's default counts`,
      ),
      ...unused.map((name) => `${source.shown} does not use the build argument ${name}`),
    ],
  };
}

function unusedError([first = "", ...others]: readonly string[], recipe: Recipe, shown: string): CbError {
  const names = [first, ...others].join(", ");
  const meant = nearest(first, argumentNamesOf(recipe));
  const use = recipe.backend === "docker" ? `a line ARG ${first}` : `{{ ${first} }}`;
  const suggestion = meant === undefined ? "" : `did you mean ${meant}? `;
  return new CbError("usage", `${shown} does not use the build argument${others.length > 0 ? "s" : ""} ${names}`, {
    hint: `${suggestion}the recipe needs ${use}; --warn-unused-build-args builds without`,
  });
}

/** apptainer would refuse them, and they are of no use to buildah. */
function withoutArgs(recipe: Recipe, unused: readonly string[]): Recipe {
  if (unused.length === 0) return recipe;
  const buildArgs = Object.fromEntries(
    Object.entries(recipe.buildArgs ?? {}).filter(([name]) => !unused.includes(name)),
  );
  return { ...recipe, buildArgs };
}

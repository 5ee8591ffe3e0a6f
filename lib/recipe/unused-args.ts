/** Finds the build arguments that a recipe does not use: most are misspelled. */
import type { Recipe } from "../protocol/build-messages.ts";
import { stagesOf } from "./definition/sections.ts";
import { instructionsOf } from "./dockerfile/instructions.ts";
import { wordsOf } from "./dockerfile/words.ts";

/** docker and buildah define these without an ARG (buildah 1.39: imagebuilder, builtinAllowedBuildArgs). */
const PREDEFINED = /^(https?|ftp|no|all)_proxy$|^SOURCE_DATE_EPOCH$|^BUILDKIT_/i;

/** The names that the recipe may use, for a suggestion. */
export function argumentNamesOf(recipe: Recipe): string[] {
  return recipe.backend === "docker" ? declaredArgs(recipe.text) : usedInDefinition(recipe);
}

export function unusedArgs(recipe: Recipe): string[] {
  const given = Object.keys(recipe.buildArgs ?? {});
  if (given.length === 0) return [];
  const used = new Set(argumentNamesOf(recipe));
  return given.filter((name) => !used.has(name) && !(recipe.backend === "docker" && PREDEFINED.test(name)));
}

const declaredArgs = (text: string): string[] =>
  instructionsOf(text)
    .filter(({ name }) => name === "arg")
    .flatMap(({ rest }) => wordsOf(rest).map((word) => word.split("=", 1)[0] ?? ""));

/** `{{ NAME }}` outside comments, and in the values of arguments that are used. */
function usedInDefinition({ text, buildArgs }: Recipe): string[] {
  const lines = stagesOf(text, buildArgs).flatMap((sections) =>
    sections.flatMap(({ head, lines: body }) => (head === undefined ? [...body] : [head, ...body])),
  );
  return lines.flatMap(({ argumentNames }) => [...argumentNames]);
}

/** What a caller could miss in the image, in one line each. */
import type { Recipe } from "../protocol/build-messages.ts";
import { type Instruction, instructionsOf } from "./dockerfile/instructions.ts";

/**
 * Instructions that have no meaning in an Apptainer image and are passed over. Of a definition file everything has one.
 * EXPOSE, VOLUME and STOPSIGNAL are not named: nothing that ran is missing without them.
 */
export function recipeNotes(recipe: Recipe): string[] {
  if (recipe.backend !== "docker") return [];
  const instructions = instructionsOf(recipe.text);
  const last = instructions.findLastIndex(({ name }) => name === "from");
  const stage = instructions.slice(last + 1);
  return [
    ...note(stage.findLast(isHealthcheck), "HEALTHCHECK is passed over: nothing watches a running Apptainer image"),
    ...note(
      notRoot(stage.findLast(({ name }) => name === "user")),
      "USER is passed over at run time: an Apptainer image runs as whoever starts it",
    ),
    ...note(
      instructions.find(({ name }) => name === "onbuild"),
      "ONBUILD is passed over: an Apptainer image keeps no instructions for later builds",
    ),
  ];
}

const isHealthcheck = ({ name, rest }: Instruction): boolean => name === "healthcheck" && !/^none\b/i.test(rest);
const notRoot = (user: Instruction | undefined): Instruction | undefined =>
  user === undefined || /^(root|0)(:|$)/.test(user.rest) ? undefined : user;

const note = (instruction: Instruction | undefined, words: string): string[] =>
  instruction === undefined ? [] : [`line ${instruction.line + 1}: ${words}`];

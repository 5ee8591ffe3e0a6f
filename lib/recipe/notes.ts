/** Warns about instructions that have no effect in an Apptainer image, one line each. */
import type { Recipe } from "../protocol/build-messages.ts";
import { type Instruction, instructionsOf } from "./dockerfile/instructions.ts";

/**
 * The notes for a recipe; none for a definition file, because every section of it has an effect. EXPOSE, VOLUME and
 * STOPSIGNAL get no note: an image that ran with them runs the same without them.
 */
export function recipeNotes(recipe: Recipe): string[] {
  if (recipe.backend !== "docker") return [];
  const instructions = instructionsOf(recipe.text);
  const last = instructions.findLastIndex(({ name }) => name === "from");
  const stage = instructions.slice(last + 1);
  return [
    ...note(stage.findLast(isHealthcheck), "HEALTHCHECK is ignored: no program monitors a running Apptainer image"),
    ...note(
      notRoot(stage.findLast(({ name }) => name === "user")),
      "USER is ignored when the image runs: an Apptainer image runs as the user who starts it",
    ),
    ...note(
      instructions.find(({ name }) => name === "onbuild"),
      "ONBUILD is ignored: an Apptainer image stores no instructions for later builds",
    ),
  ];
}

const isHealthcheck = ({ name, rest }: Instruction): boolean => name === "healthcheck" && !/^none\b/i.test(rest);
const notRoot = (user: Instruction | undefined): Instruction | undefined =>
  user === undefined || /^(root|0)(:|$)/.test(user.rest) ? undefined : user;

const note = (instruction: Instruction | undefined, text: string): string[] =>
  instruction === undefined ? [] : [`line ${instruction.line + 1}: ${text}`];

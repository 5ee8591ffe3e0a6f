/** Warns about instructions that have no effect in an Apptainer image, and about a missing library, one line each. */
import type { Recipe } from "../protocol/build-messages.ts";
import { type Section, stagesOf } from "./definition/sections.ts";
import { type Instruction, instructionsOf } from "./dockerfile/instructions.ts";

/**
 * The notes for a recipe. Every section of a definition file has an effect. EXPOSE, VOLUME and STOPSIGNAL get no note: an image that
 * ran with them runs the same without them. Throws CbError "usage" as stagesOf().
 */
export function recipeNotes(recipe: Recipe): string[] {
  if (recipe.backend !== "docker") return libraryNotes(recipe);
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

/** apptainer 1.4.5 has no default library. A site's builder image may have one, so this is no error. */
function libraryNotes({ text, buildArgs, options }: Recipe): string[] {
  if (options?.library !== undefined) return [];
  const headers = stagesOf(text, buildArgs).flatMap(([header]) => (header === undefined ? [] : [header]));
  const without = headers.find((header) => has(header, /^bootstrap:\s*library\s*$/i) && !has(header, /^library:/i));
  const line = without?.lines.find((one) => /^bootstrap:/i.test(one.text));
  if (line === undefined) return [];
  return [
    `line ${line.origin + 1}: library:// needs --library URL or a header Library:, unless the builders of your site have one`,
  ];
}

const has = ({ lines }: Section, pattern: RegExp): boolean => lines.some(({ text }) => pattern.test(text.trim()));

const isHealthcheck = ({ name, rest }: Instruction): boolean => name === "healthcheck" && !/^none\b/i.test(rest);
const notRoot = (user: Instruction | undefined): Instruction | undefined =>
  user === undefined || /^(root|0)(:|$)/.test(user.rest) ? undefined : user;

const note = (instruction: Instruction | undefined, text: string): string[] =>
  instruction === undefined ? [] : [`line ${instruction.line + 1}: ${text}`];

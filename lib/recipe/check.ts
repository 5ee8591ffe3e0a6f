/** Finds mistakes in a recipe that its program would report only after a builder was created. */
import { CbError } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import type { Recipe } from "../protocol/build-messages.ts";
import { checkDefinition } from "./definition/check.ts";
import { instructionsOf } from "./dockerfile/instructions.ts";

/** Throws CbError "usage" that names the line: for an unknown section, header, bootstrap agent or instruction, and an unknown stage. */
export function checkRecipe(recipe: Recipe): void {
  if (recipe.backend === "docker") checkDockerfile(recipe);
  else checkDefinition(recipe);
}

/** buildah 1.39: imagebuilder, evaluateTable. */
const INSTRUCTIONS = [
  ...[
    "add",
    "arg",
    "cmd",
    "copy",
    "entrypoint",
    "env",
    "expose",
    "from",
    "healthcheck",
    "label",
    "maintainer",
    "onbuild",
  ],
  ...["run", "shell", "stopsignal", "user", "volume", "workdir"],
];

function checkDockerfile({ text, options }: Recipe): void {
  const stages: string[] = [];
  for (const { name, words, line } of instructionsOf(text)) {
    if (!INSTRUCTIONS.includes(name)) {
      const meant = nearest(name, INSTRUCTIONS)?.toUpperCase();
      throw new CbError("usage", `line ${line + 1}: there is no instruction ${name.toUpperCase()}`, {
        hint:
          meant === undefined ? "correct it; a line that continues ends with a backslash" : `did you mean ${meant}?`,
      });
    }
    // `FROM IMAGE AS NAME`
    if (name === "from") stages.push((words[2] ?? String(stages.length)).toLowerCase());
  }
  if (options?.target !== undefined) checkTarget(options.target, stages);
}

function checkTarget(target: string, stages: readonly string[]): void {
  const isNumber = /^\d+$/.test(target) && Number(target) < stages.length;
  if (isNumber || stages.includes(target.toLowerCase())) return;
  const meant = nearest(target, stages);
  throw new CbError("usage", `--target ${target}: the Dockerfile has no such stage`, {
    hint: meant === undefined ? `its stages are ${stages.slice(0, 10).join(", ")}` : `did you mean ${meant}?`,
  });
}

/** Which programs make an image of a recipe, one after the other. */
import type { Recipe } from "../lib/protocol/build-messages.ts";
import type { WorkDir } from "./prepare.ts";

export interface Step {
  /** For the reason when it fails. */
  readonly name: string;
  /** Program and arguments. */
  readonly argv: readonly string[];
}

export function stepsFor(recipe: Recipe, place: WorkDir): Step[] {
  return recipe.backend === "docker" ? dockerSteps(recipe, place) : [definitionStep(recipe, place)];
}

function definitionStep({ buildArgs = {} }: Recipe, place: WorkDir): Step {
  // apptainer reads a value of --build-arg as a line of CSV.
  const options = Object.entries(buildArgs).flatMap(([name, value]) => [
    "--build-arg",
    `"${`${name}=${value}`.replaceAll('"', '""')}"`,
  ]);
  const argv = ["apptainer", "build", ...archOption(place), ...options, place.image, place.recipe];
  return { name: "apptainer build", argv };
}

/** Both programs take the base image of that architecture then, and fail where there is none. */
const archOption = ({ emulated }: WorkDir): string[] => (emulated === undefined ? [] : ["--arch", emulated.oci]);

/**
 * buildah commits straight into an OCI layout, uncompressed, and keeps no layer for a next time. A layer of 290 MB takes it
 * 3.7 s that way, 10 s by its own storage and an archive, and 17 s with `--layers`.
 */
function dockerSteps({ text, buildArgs = {} }: Recipe, place: WorkDir): Step[] {
  const options = Object.entries(buildArgs).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
  const own = ["--root", place.storage, "--runroot", `${place.storage}-run`];
  const how = [...archOption(place), "--isolation=chroot", `--format=${formatFor(text)}`, "--layers=false", ...options];
  const what = ["--file", place.recipe, "--tag", `oci:${place.layout}`, place.context];
  // Base images are large, and what fetched them needs them no more: they make room for the image. Nor does apptainer need
  // to keep a copy for a next time.
  const makeRoom = 'rm -rf "$1" "$1-run" 2>/dev/null; shift; exec "$@"';
  const convert = ["apptainer", "build", "--disable-cache", ...archOption(place), place.image, `oci:${place.layout}`];
  return [
    { name: "buildah build", argv: ["buildah", ...own, "build", ...how, ...what] },
    { name: "apptainer build", argv: ["sh", "-c", makeRoom, "sh", place.storage, ...convert] },
  ];
}

/**
 * In the docker format buildah heeds all instructions; in the oci format it says that it ignores HEALTHCHECK, which an image
 * of apptainer cannot have, but ignores SHELL too (buildah 1.39).
 */
function formatFor(text: string): "oci" | "docker" {
  const has = (instruction: string) => new RegExp(`^\\s*${instruction}\\s`, "im").test(text);
  return has("HEALTHCHECK") && !has("SHELL") ? "oci" : "docker";
}

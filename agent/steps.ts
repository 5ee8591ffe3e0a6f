/** Lists the programs that build an image from a recipe, in order. */
import type { Recipe } from "../lib/protocol/build-messages.ts";
import type { Layers } from "../lib/protocol/builder-messages.ts";
import { apptainerOptions, apptainerSecrets, buildahOptions, buildahSecrets, packOptions } from "./passed-options.ts";
import type { WorkDir } from "./prepare.ts";
import type { SecretFiles } from "./secrets.ts";

export interface Step {
  /** Names the program in the reason of a failed build. */
  readonly name: string;
  /** Program and arguments. */
  readonly argv: readonly string[];
  /** Called when the program has succeeded, before the next one. */
  readonly after?: () => Promise<void>;
}

/** Inputs of the programs beside the recipe. */
export interface StepInputs {
  /** Given to the programs that run the recipe, never to the one that packs the image of a Dockerfile. */
  readonly secrets?: SecretFiles | undefined;
  /** Of a Dockerfile. "local": those alone that an earlier run on this builder has made. Absent: none. */
  readonly layers?: Layers | "local" | undefined;
}

export function stepsFor(recipe: Recipe, workDir: WorkDir, { secrets, layers }: StepInputs = {}): [Step, ...Step[]] {
  return recipe.backend === "docker"
    ? dockerSteps(recipe, workDir, secrets, layers)
    : definitionSteps(recipe, workDir, secrets);
}

function definitionSteps(
  { buildArgs = {}, options = {} }: Recipe,
  workDir: WorkDir,
  secrets: Partial<SecretFiles> = {},
): [Step] {
  // apptainer parses the value of --build-arg as a line of CSV.
  const args = Object.entries(buildArgs).flatMap(([name, value]) => [
    "--build-arg",
    `"${`${name}=${value}`.replaceAll('"', '""')}"`,
  ]);
  const own = [...apptainerOptions(options, workDir.callersRoot), ...apptainerSecrets(secrets)];
  const passed = [...own, ...packOptions(options)];
  const build = ["apptainer", "build", ...archOption(workDir), ...args, ...passed];
  const argv = [...workDir.launcher, ...build, workDir.image, workDir.recipe];
  return [{ name: "apptainer build", argv }];
}

/** With this option, both programs fetch the base image of that architecture, and fail when the registry has none. */
const archOption = ({ emulated }: WorkDir): string[] => (emulated === undefined ? [] : ["--arch", emulated.oci]);

/**
 * A variable that no image has. buildah (1.39) does not commit a Dockerfile with FROM alone, unless an option changes the image: it looks
 * for the unchanged image in its storage, where an OCI layout is not.
 */
const ALWAYS_COMMIT = ["--unsetenv=CONTAINER_BUILDER_UNUSED"];

/** The image in buildah's storage, when it keeps layers. */
const LOCAL_IMAGE = "localhost/image";

/**
 * Without layers buildah commits straight into an uncompressed OCI layout. Measured with a layer of 290 MB: 3.7 s this way, 10 s through
 * buildah's own storage and an archive, 17 s with `--layers`. With layers buildah (1.39) cannot commit into a layout and push them.
 */
function dockerSteps(
  { text, buildArgs = {}, options = {} }: Recipe,
  workDir: WorkDir,
  secrets: Partial<SecretFiles> = {},
  layers: StepInputs["layers"] = undefined,
): [Step, ...Step[]] {
  const args = Object.entries(buildArgs).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
  const driver = workDir.storageDriver === undefined ? [] : ["--storage-driver", workDir.storageDriver];
  const storage = [...driver, "--root", workDir.storage, "--runroot", `${workDir.storage}-run`];
  const mode = [
    ...archOption(workDir),
    "--isolation=chroot",
    `--format=${formatFor(text)}`,
    ...(layers === undefined ? ["--layers=false", ...ALWAYS_COMMIT] : layerOptions(layers)),
    ...args,
    ...buildahOptions(options),
    ...buildahSecrets(secrets),
  ];
  const ignoreFile = workDir.ignoreFile === undefined ? [] : ["--ignorefile", workDir.ignoreFile];
  const layout = `oci:${workDir.layout}`;
  const tag = ["--tag", layers === undefined ? layout : LOCAL_IMAGE];
  const paths = [...ignoreFile, "--file", workDir.recipe, ...tag, workDir.context];
  const push = ["push", "--quiet", "--disable-compression", LOCAL_IMAGE, layout];
  // Base images are large and buildah has finished: deleting its storage frees space for the image. For the same reason
  // apptainer keeps no copy in its cache.
  const freeSpace = 'rm -rf "$1" "$1-run" 2>/dev/null; shift; exec "$@"';
  const convert = [
    "apptainer",
    "build",
    "--disable-cache",
    ...archOption(workDir),
    ...packOptions(options),
    workDir.image,
    layout,
  ];
  const { remove } = secrets;
  return [
    {
      name: "buildah build",
      argv: ["buildah", ...storage, "build", ...mode, ...paths],
      ...(remove === undefined ? {} : { after: remove }),
    },
    ...(layers === undefined ? [] : [{ name: "buildah push", argv: ["buildah", ...storage, ...push] }]),
    { name: "apptainer build", argv: ["sh", "-c", freeSpace, "sh", workDir.storage, ...convert] },
  ];
}

function layerOptions(layers: Layers | "local"): string[] {
  if (layers === "local") return ["--layers"];
  const { repository, rebuild } = layers;
  const from = rebuild ? ["--no-cache"] : [`--cache-from=${repository}`];
  return ["--layers", ...from, `--cache-to=${repository}`];
}

/**
 * In the docker format buildah (1.39) applies all instructions. In the oci format it prints a warning that it ignores
 * HEALTHCHECK, which an Apptainer image cannot have, but it ignores SHELL too. So the oci format is used for
 * HEALTHCHECK without SHELL.
 */
function formatFor(text: string): "oci" | "docker" {
  const has = (instruction: string) => new RegExp(`^[ \\t]*${instruction}\\s`, "im").test(text);
  return has("HEALTHCHECK") && !has("SHELL") ? "oci" : "docker";
}

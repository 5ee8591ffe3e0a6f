/** The arguments of debootstrap in a user's recipe, if the site keeps trees for them, and the recipe of the queue's own build. Pure. */
import * as v from "valibot";
import type { BootstrapsConfig } from "../../config/bootstraps-config.ts";
import { CbError } from "../../core/errors.ts";
import type { Recipe } from "../../protocol/build-messages.ts";
import { type BootstrapArguments, bootstrapArguments } from "../../protocol/builder-messages.ts";
import type { Section } from "../../recipe/definition/sections.ts";
import { stagesOf } from "../../recipe/definition/sections.ts";
import { headerOf } from "../../recipe/definition/sources.ts";

/** A recipe beyond it gets no tree, so that a long one takes no time of the queue. Definition files have a few kB. */
const TEXT_MAX_CHARS = 64 * 1024;

/** Cheap, and true for each definition file with such a stage. */
const MAY_BOOTSTRAP = /^[ \t]*bootstrap:[ \t]*debootstrap/im;

/** Of the first stage with debootstrap. Undefined when there is none, or the site keeps no tree for it. */
export function bootstrapArgumentsOf(recipe: Recipe, config: BootstrapsConfig): BootstrapArguments | undefined {
  const { backend, text } = recipe;
  if (backend !== "singularity" || text.length > TEXT_MAX_CHARS || !MAY_BOOTSTRAP.test(text)) return undefined;
  const found = stagesIn(recipe);
  // %pre runs before debootstrap, and may prepare something for it.
  if (found.some((sections) => sections.some(({ name }) => name === "pre"))) return undefined;
  const headers = found.map(([first]) => headerOf(first?.lines ?? []));
  const header = headers.find((each) => each.get("bootstrap")?.value === "debootstrap");
  const given = (name: string): string => header?.get(name)?.value ?? "";
  const args = {
    suite: given("osversion"),
    mirror: given("mirrorurl"),
    // As apptainer (1.4.5) does it.
    include: given("include").trim().replaceAll(" ", ","),
  };
  const parsed = v.safeParse(bootstrapArguments, args);
  return parsed.success && isKept(parsed.output, config) ? parsed.output : undefined;
}

/** None for a recipe that apptainer refuses: its own message is the better one. */
function stagesIn({ text, buildArgs }: Recipe): Section[][] {
  try {
    return stagesOf(text, buildArgs);
  } catch (error) {
    if (error instanceof CbError) return [];
    throw error;
  }
}

function isKept({ suite, mirror, include }: BootstrapArguments, config: BootstrapsConfig): boolean {
  const bare = (url: string): string => url.replace(/\/$/, "");
  const packages = include === "" ? [] : include.split(",");
  return (
    config.suites.includes(suite) &&
    config.mirrors.some((each) => bare(each) === bare(mirror)) &&
    packages.every((each) => config.packages.includes(each))
  );
}

/** Nothing in it is from a user but names that the site has listed. Packed with zstd, which is unpacked in a second. */
export const treeRecipe = ({ suite, mirror, include }: BootstrapArguments): Recipe => ({
  backend: "singularity",
  text: `Bootstrap: debootstrap\nOSVersion: ${suite}\nMirrorURL: ${mirror}\n${include === "" ? "" : `Include: ${include}\n`}`,
  options: { compression: "fast" },
});

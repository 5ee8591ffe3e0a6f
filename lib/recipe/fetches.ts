/** Whether a build may give another image tomorrow although its recipe, its files and its base images are the same. */
import type { Recipe } from "../protocol/build-messages.ts";
import { type Section, stagesOf } from "./definition/sections.ts";
import { headerOf } from "./definition/sources.ts";
import { instructionsOf } from "./dockerfile/instructions.ts";

/** Their scripts may fetch anything. %test changes nothing in the image. */
const SCRIPTS = new Set(["pre", "setup", "post", "appinstall"]);
/** An image of a registry has a digest that can be looked up, and the content of a file of the caller is known. */
const KNOWN_BASES = new Set(["docker", "oras", "localimage", "oci", "oci-archive", "docker-archive", "scratch"]);

/**
 * Why it may, in words; undefined if it cannot. RUN of a Dockerfile counts as one that gives the same again: that is docker's own rule.
 * Throws CbError "usage" as stagesOf().
 */
export function fetchesOf(recipe: Recipe): string | undefined {
  return recipe.backend === "docker" ? fetchedByDockerfile(recipe) : fetchedByDefinition(recipe);
}

function fetchedByDockerfile({ text }: Recipe): string | undefined {
  const isUrl = (word: string): boolean => /^["']?(https?:\/\/|git:\/\/|git@|ssh:\/\/)/.test(word);
  const adding = instructionsOf(text).find(({ name, words }) => name === "add" && words.slice(0, -1).some(isUrl));
  return adding === undefined ? undefined : `line ${adding.line + 1}: ADD fetches a URL`;
}

function fetchedByDefinition({ text, buildArgs }: Recipe): string | undefined {
  for (const [header, ...sections] of stagesOf(text, buildArgs)) {
    const bootstrap = headerOf(header?.lines ?? []).get("bootstrap")?.value ?? "";
    if (bootstrap !== "" && !KNOWN_BASES.has(bootstrap)) return `Bootstrap: ${bootstrap} fetches what is current`;
    const script = sections.find((section) => SCRIPTS.has(section.name) && hasCommand(section));
    if (script !== undefined) return `%${script.name} may fetch something`;
  }
  return undefined;
}

const hasCommand = ({ lines }: Section): boolean => lines.some(({ text }) => !/^\s*(#|$)/.test(text));

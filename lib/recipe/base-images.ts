/** Lists the images of registries that a recipe builds upon or copies from: a login is needed for these registries alone. */
import { CbError } from "../core/errors.ts";
import type { Recipe } from "../protocol/build-messages.ts";
import { stagesOf } from "./definition/sections.ts";
import { headerOf } from "./definition/sources.ts";
import { instructionsOf } from "./dockerfile/instructions.ts";
import { DockerfileVariables } from "./dockerfile/variables.ts";
import { expandWord, type Variables } from "./dockerfile/words.ts";

export interface BaseImage {
  /** HOST[:PORT]; `docker.io` for Docker Hub. */
  readonly registry: string;
  /** With the path of the image, without tag and digest: `docker.io/library/debian`. */
  readonly name: string;
}

/**
 * Each image once, in the order of the recipe. An image with a variable that only the base image defines is left out. Throws CbError
 * "usage" as stagesOf() and DockerfileVariables.
 */
export function baseImagesOf(recipe: Recipe): BaseImage[] {
  const images = imageTextsOf(recipe).flatMap((text) => (text === undefined ? [] : (imageOf(text) ?? [])));
  return [...new Map(images.map((image) => [image.name, image])).values()];
}

/** The images as the recipe names them; undefined for one with a variable that only the base image defines. Throws as baseImagesOf(). */
export const imageTextsOf = (recipe: Recipe): (string | undefined)[] =>
  recipe.backend === "docker" ? dockerfileImages(recipe) : definitionImages(recipe);

/** The hosts of the images, each once. None of a recipe that cannot be read: its build program says what is wrong with it. */
export function registriesOf(recipe: Recipe): string[] {
  try {
    return [...new Set(baseImagesOf(recipe).map(({ registry }) => registry))];
  } catch (error) {
    if (error instanceof CbError) return [];
    throw error;
  }
}

const PULLED = ["docker", "oras"];

function definitionImages({ text, buildArgs }: Recipe): string[] {
  return stagesOf(text, buildArgs).flatMap(([head]) => {
    const header = headerOf(head?.lines ?? []);
    const value = (name: string): string => header.get(name)?.value ?? "";
    if (!PULLED.includes(value("bootstrap")) || value("from") === "") return [];
    return [[value("registry"), value("namespace"), value("from").replace(/^\/\//, "")].filter(Boolean).join("/")];
  });
}

function dockerfileImages({ text, buildArgs = {} }: Recipe): (string | undefined)[] {
  const variables = new DockerfileVariables(buildArgs);
  // FROM sees the ARGs before the first one alone, and one without a value is empty.
  const beforeFrom: Variables = { get: (name) => variables.global.get(name) ?? "" };
  const stages = new Set<string>();
  let count = 0;
  return instructionsOf(text).flatMap((instruction) => {
    variables.apply(instruction);
    const { name, words, flags } = instruction;
    const isStage = (image = ""): boolean => stages.has(image.toLowerCase());
    if (name !== "from") return sourceImages(flags, variables.inStage).filter((image) => !isStage(image));
    const images = known(words[0] ?? "", beforeFrom).filter((image) => image !== "scratch" && !isStage(image));
    stages.add(String(count++));
    if (words[2] !== undefined) stages.add(words[2].toLowerCase());
    return images;
  });
}

/** `COPY --from=IMAGE` and `RUN --mount=type=bind,from=IMAGE`. */
const sourceImages = (flags: readonly string[], variables: Variables): (string | undefined)[] =>
  flags.flatMap((flag) => {
    const image = /^--from=(.+)$/s.exec(flag)?.[1] ?? /^--mount=(?:.*,)?from=([^,]+)/s.exec(flag)?.[1];
    return image === undefined ? [] : known(image, variables);
  });

function known(word: string, variables: Variables): (string | undefined)[] {
  const { text, certain } = expandWord(word, variables);
  return [certain && text !== "" ? text : undefined];
}

/** Undefined for a text that names no image. The rule of docker: a host has a dot or a colon, or is localhost. */
export function imageOf(text: string): BaseImage | undefined {
  const plain = text.replace(/@.*$/s, "").replace(/:[^:/]*$/, "");
  const [first = "", ...rest] = plain.split("/");
  const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  const registry = hasHost ? registryName(first) : DOCKER_HUB;
  const path = hasHost ? rest.join("/") : rest.length === 0 ? `library/${first}` : plain;
  return /^[\w./-]+$/.test(path) && first !== "" ? { registry, name: `${registry}/${path}` } : undefined;
}

export const DOCKER_HUB = "docker.io";
/** The other names of Docker Hub: in docker's own files, and of its server. */
const HUB_NAMES = ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/** One name for each registry. */
export const registryName = (host: string): string => (HUB_NAMES.includes(host) ? DOCKER_HUB : host);

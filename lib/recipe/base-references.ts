/** The images of registries that a recipe builds upon, with tag or digest, and whether these are all. */
import type { Recipe } from "../protocol/build-messages.ts";
import { type BaseImage, imageOf, imageTextsOf } from "./base-images.ts";

export interface BaseReference extends BaseImage {
  /** As the recipe has it. */
  readonly text: string;
  /** The part of `name` after the registry. */
  readonly repository: string;
  /** `sha256:…` of the recipe, or a tag, which may be moved. */
  readonly version: string;
  readonly isPinned: boolean;
}

export interface BaseReferences {
  readonly references: readonly BaseReference[];
  /** The first image that cannot be looked up, in words. Undefined when there is none. */
  readonly unknown: string | undefined;
}

/** Throws CbError "usage" as imageTextsOf(). */
export function baseReferencesOf(recipe: Recipe): BaseReferences {
  const references = new Map<string, BaseReference>();
  let unknown: string | undefined;
  for (const text of imageTextsOf(recipe)) {
    const reference = text === undefined ? undefined : referenceOf(text);
    if (reference === undefined) unknown ??= text ?? "an image with a variable that only another image defines";
    else references.set(reference.text, reference);
  }
  return { references: [...references.values()], unknown };
}

function referenceOf(text: string): BaseReference | undefined {
  const image = imageOf(text);
  if (image === undefined) return undefined;
  const digest = /@(sha256:[0-9a-f]{64})$/.exec(text)?.[1];
  const tag = /:([\w][\w.-]{0,127})$/.exec(text)?.[1] ?? "latest";
  const repository = image.name.slice(image.registry.length + 1);
  if (digest === undefined && text.includes("@")) return undefined;
  return { ...image, text, repository, version: digest ?? tag, isPinned: digest !== undefined };
}

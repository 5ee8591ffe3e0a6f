/** The digest of everything that a build is made of, as far as the client knows it. The queue adds what it knows. Pure. */
import { createHash } from "node:crypto";
import type { Recipe } from "../../../protocol/build-messages.ts";

export interface BuildInputs {
  /** Complete: with build arguments, options and the caller's variables. */
  readonly recipe: Recipe;
  /** contextDigest(); undefined when the recipe reads no file. */
  readonly context: string | undefined;
  /** Each base image as the recipe names it, with its digest now. */
  readonly bases: Readonly<Record<string, string>>;
  readonly arch: string | undefined;
  readonly pool: string | undefined;
}

/** SHA-256 in hex. The order of build arguments, labels and base images does not count. */
export function buildDigest({ recipe, context, bases, arch, pool }: BuildInputs): string {
  return createHash("sha256")
    .update(JSON.stringify(sorted({ v: 1, recipe, context, bases, arch, pool })))
    .digest("hex");
}

/** With the keys of each object in order. Arrays keep theirs: %files and --bind have a meaning by their order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]));
}

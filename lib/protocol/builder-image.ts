/** What a builder says it was made of. A builder is hostile, so this is for people to read and nothing is decided by it. */
import * as v from "valibot";

/** The list is for one line of a terminal; the image itself lists every package. */
const VERSIONS_MAX = 8;

/** A name and a version as Debian has them (Policy 5.6.1 and 5.6.12), and so nothing that does harm on a terminal. */
const packageVersion = v.object({
  name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9+.-]{0,63}$/, "not a package's name")),
  version: v.pipe(v.string(), v.regex(/^[0-9A-Za-z][0-9A-Za-z.+~:-]{0,63}$/, "not a package's version")),
});
export type PackageVersion = v.InferOutput<typeof packageVersion>;

export const builderImage = v.object({
  /** Changes with the recipe of the image and what went into it. */
  id: v.pipe(v.string(), v.regex(/^[0-9A-Za-z._-]{1,64}$/, "not an image's id")),
  versions: v.pipe(v.array(packageVersion), v.maxLength(VERSIONS_MAX)),
});
export type BuilderImage = v.InferOutput<typeof builderImage>;

/** "d9d17ab0c1e2f3a4: apptainer 1.4.5-2, buildah 1.39.3+ds1-1" */
export function imageText({ id, versions }: BuilderImage): string {
  return `${id}: ${versions.map(({ name, version }) => `${name} ${version}`).join(", ")}`;
}

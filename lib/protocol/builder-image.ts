/**
 * The description of a builder's image. The builder reports it before its first lease, when no recipe has run on it; a later report is
 * ignored.
 */
import * as v from "valibot";

/** The list is shown in one line of a terminal. The image itself has the versions of all packages. */
const VERSIONS_MAX = 8;

/** A name and a version in Debian's format (Policy 5.6.1 and 5.6.12), which has no control characters for a terminal. */
const packageVersion = v.object({
  name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9+.-]{0,63}$/, "not a package name")),
  version: v.pipe(v.string(), v.regex(/^[0-9A-Za-z][0-9A-Za-z.+~:-]{0,63}$/, "not a package version")),
});
export type PackageVersion = v.InferOutput<typeof packageVersion>;

export const builderImage = v.object({
  /** Changes with the recipe of the image and with its contents. */
  id: v.pipe(v.string(), v.regex(/^[0-9A-Za-z._-]{1,64}$/, "not an image id")),
  versions: v.pipe(v.array(packageVersion), v.maxLength(VERSIONS_MAX)),
});
export type BuilderImage = v.InferOutput<typeof builderImage>;

/** For example "d9d17ab0c1e2f3a4: apptainer 1.4.5-2, buildah 1.39.3+ds1-1". */
export function imageText({ id, versions }: BuilderImage): string {
  return `${id}: ${versions.map(({ name, version }) => `${name} ${version}`).join(", ")}`;
}

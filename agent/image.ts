/** Reads id and versions of this builder's image, which the queue shows to users. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { type BuilderImage, builderImage, type PackageVersion } from "../lib/protocol/builder-image.ts";

/** Every form of the builder image has its id and its list of packages here (infra/image, infra/image/disk). */
const FOLDER = "/usr/share/container-builder";

/** The packages that determine how a build runs, in the order of display: package name and usual name. */
const SHOWN: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^apptainer$/, "apptainer"],
  [/^buildah$/, "buildah"],
  [/^base-files$/, "debian"],
  // Only a virtual machine has its own kernel.
  [/^linux-image-\d/, "linux"],
  [/^nodejs$/, "nodejs"],
];

/** Undefined when the image has no such files, or files in another format. The agent works without them. */
export async function ownImage(folder = FOLDER): Promise<BuilderImage | undefined> {
  try {
    const [id, list] = await Promise.all(["image", "versions"].map((name) => readFile(join(folder, name), "utf8")));
    const parsed = v.safeParse(builderImage, { id: id?.trim(), versions: shown(list ?? "") });
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

/** The shown versions from lines `package version`. */
function shown(list: string): PackageVersion[] {
  const packages = list.split("\n").map((line) => line.split(" "));
  return SHOWN.flatMap(([pattern, name]) => {
    const [, version] = packages.find(([found = ""]) => pattern.test(found)) ?? [];
    return version === undefined ? [] : [{ name, version }];
  });
}

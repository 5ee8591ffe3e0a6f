/** What this builder's image says of itself, for the queue to show. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { type BuilderImage, builderImage, type PackageVersion } from "../lib/protocol/builder-image.ts";

/** Where every form of the builder image has its id and its list of packages (infra/image, infra/image/disk). */
const FOLDER = "/usr/share/container-builder";

/** What decides what a build does, in this order: the package's name, and what people call it. */
const SHOWN: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^apptainer$/, "apptainer"],
  [/^buildah$/, "buildah"],
  [/^base-files$/, "debian"],
  // Only a machine has one of its own.
  [/^linux-image-\d/, "linux"],
  [/^nodejs$/, "nodejs"],
];

/** Undefined where the image has no such files, or others than are understood: nothing depends on it. */
export async function ownImage(folder = FOLDER): Promise<BuilderImage | undefined> {
  try {
    const [id, list] = await Promise.all(["image", "versions"].map((name) => readFile(join(folder, name), "utf8")));
    const parsed = v.safeParse(builderImage, { id: id?.trim(), versions: shown(list ?? "") });
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

/** From lines "package version". */
function shown(list: string): PackageVersion[] {
  const packages = list.split("\n").map((line) => line.split(" "));
  return SHOWN.flatMap(([pattern, name]) => {
    const [, version] = packages.find(([found = ""]) => pattern.test(found)) ?? [];
    return version === undefined ? [] : [{ name, version }];
  });
}

/**
 * Where the shell scripts and the image recipes are. They are files and not code: a package of this program ships
 * `lib/provider/sandbox/scripts` and `infra/image` in a folder above its bundles, at the same paths as in the project.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const SCRIPTS = join("lib", "provider", "sandbox", "scripts");
const root = rootAbove(dirname(fileURLToPath(import.meta.url)));
const image = join(root, "infra", "image");

/** First stage of a sandbox. */
export const LAUNCH_SCRIPT = join(root, SCRIPTS, "launch.sh");
/** Makes a folder of a cache once: CACHE KEY SCRIPT [ARGUMENT...]. */
export const ENSURE_SCRIPT = join(image, "cache", "ensure.sh");
/** Folder of the recipe of the builder's root file system. */
export const IMAGE_FOLDER = join(image, "rootfs");
/** Folder of the scripts that run a virtual machine inside a sandbox. */
export const MACHINE_FOLDER = join(image, "machine");
/** Folder of the recipe that makes a disk image of that root file system. */
export const DISK_FOLDER = join(image, "disk");

/** The nearest folder upwards that has the scripts; `/`, where they do not exist, when there is none. */
function rootAbove(folder: string): string {
  const found = existsSync(join(folder, SCRIPTS, "launch.sh")) || dirname(folder) === folder;
  return found ? folder : rootAbove(dirname(folder));
}

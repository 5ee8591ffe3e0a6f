/**
 * Where the shell stages and the image recipe lie. They are files and not code: whoever ships a bundle of this program
 * ships infra/ in a folder above it, as the project has it.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const infra = folderAbove(dirname(fileURLToPath(import.meta.url)));

/** First stage of a sandbox. */
export const LAUNCH_SCRIPT = join(infra, "sandbox", "launch.sh");
/** Makes a folder of a cache once: CACHE KEY SCRIPT [ARGUMENT...]. */
export const ENSURE_SCRIPT = join(infra, "cache", "ensure.sh");
/** Folder of the recipe of the builder rootfs. */
export const IMAGE_FOLDER = join(infra, "image");
/** Folder of what runs a machine inside a sandbox. */
export const MACHINE_FOLDER = join(infra, "machine");
/** Folder of the recipe of what makes a disk image of that rootfs. */
export const DISK_FOLDER = join(infra, "disk");

/** The nearest `infra` upwards that has the stages; the root's, which does not exist, when there is none. */
function folderAbove(folder: string): string {
  const candidate = join(folder, "infra");
  const found = existsSync(join(candidate, "sandbox", "launch.sh")) || dirname(folder) === folder;
  return found ? candidate : folderAbove(dirname(folder));
}

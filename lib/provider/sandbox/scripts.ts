/**
 * The paths of the shell scripts and of the image recipes. They are not part of the bundled code: a package of this program has
 * `lib/provider/sandbox/scripts` and `infra/image` in a folder above its bundles, at the same paths as in the project.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const SCRIPTS = join("lib", "provider", "sandbox", "scripts");
const root = rootAbove(dirname(fileURLToPath(import.meta.url)));
const image = join(root, "infra", "image");

/** The first stage of a sandbox. */
export const LAUNCH_SCRIPT = join(root, SCRIPTS, "launch.sh");
/** Makes a folder of a cache once. Arguments: CACHE KEY SCRIPT [ARGUMENT...]. */
export const ENSURE_SCRIPT = join(image, "cache", "ensure.sh");
/** Folder with the recipe of the builder's root file system. */
export const IMAGE_FOLDER = join(image, "rootfs");
/** Folder with the script that runs a virtual machine inside a sandbox, and with the packages that it needs. */
export const MACHINE_FOLDER = join(image, "machine");
/** Folder with what the disk images have in common: kernel, initramfs, boot loader, partition and file system. */
export const BOOT_FOLDER = join(image, "boot");
/** Folder with the recipe that makes a disk image from that root file system. */
export const DISK_FOLDER = join(image, "disk");
/** Folder with the recipe of the image from which a site's hosts start. */
export const HOST_FOLDER = join(image, "host");

/** The agent's bundle: a package has it beside the scripts, the project below `dist`, where `npm run build` makes it. */
export const AGENT_FILE =
  ["agent", "dist/agent"].map((folder) => join(root, folder, "agent.mjs")).find((file) => existsSync(file)) ??
  join(root, "dist/agent/agent.mjs");

/** Returns the nearest folder above that has the scripts; `/`, which has none, when there is no such folder. */
function rootAbove(folder: string): string {
  const found = existsSync(join(folder, SCRIPTS, "launch.sh")) || dirname(folder) === folder;
  return found ? folder : rootAbove(dirname(folder));
}

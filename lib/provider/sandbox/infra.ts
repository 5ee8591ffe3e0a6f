/** Where the shell stages and the image recipe lie. They are files, not code: who bundles this program ships infra/ beside it. */
import { fileURLToPath } from "node:url";

const infra = new URL("../../../infra/", import.meta.url);

/** First stage of a sandbox. */
export const LAUNCH_SCRIPT = fileURLToPath(new URL("sandbox/launch.sh", infra));
/** Folder of the recipe of the builder rootfs. */
export const IMAGE_FOLDER = fileURLToPath(new URL("image/", infra));

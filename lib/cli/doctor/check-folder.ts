/** Checks that an image can be stored in a folder. */
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { checkTarget } from "../../transfer/target.ts";
import { type Check, failed, ok, warning } from "./check.ts";

const GIB = 1024 ** 3;
/** Images of a distribution with a few tools have some 100 MiB, those with CUDA some GiB. */
const FREE_MIN_GIB = 1;
const REMEDY = "choose another folder with --output";

/** Creates a hidden file and removes it, as a build does. */
export async function checkFolder(folder: string): Promise<Check> {
  try {
    await checkTarget({ path: join(folder, "container-builder-doctor.sif"), force: true });
    const { bavail, bsize } = await statfs(folder);
    return space(folder, (bavail * bsize) / GIB);
  } catch (error) {
    return failed("folder", error, REMEDY);
  }
}

/** A quota of the user is not in it: no system call has it for all file systems. Exported for its test. */
export function space(folder: string, freeGib: number): Check {
  const text = `${folder} is writable, ${freeGib.toFixed(1)} GiB free`;
  return freeGib >= FREE_MIN_GIB ? ok("folder", text) : warning("folder", text, `free some space, or ${REMEDY}`);
}

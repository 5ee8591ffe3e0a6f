/** Writes the disk image of builders to a file. */
import { basename, dirname } from "node:path";
import { folders } from "../../../lib/config/folders.ts";
import { ensureDiskImage } from "../../../lib/provider/qemu/disk.ts";
import { addSubordinateIds } from "../../../lib/provider/sandbox/subordinate-ids.ts";
import { ensureTools } from "../../tools/setup/ensure-tools.ts";
import { withProgress } from "../../tools/setup/run-command.ts";
import { checkTarget, IMAGE_TOOLS, print, writeImage } from "../write-image.ts";
import { newEdition } from "./edition.ts";

export interface DiskOptions {
  /** Absolute path with the extension .qcow2 or .raw. An existing file is replaced when the new one is complete. */
  readonly file: string;
  /** The agent's bundle. */
  readonly agentFile: string;
  /** True: from the mirror's present packages, also when the cache has an image. */
  readonly update: boolean;
  readonly signal?: AbortSignal;
}

/** Throws CbError "usage" or "output" for `file`, and as ensureTools, ensureDiskImage and writeImage do. */
export async function makeDisk({ file, agentFile, update, signal }: DiskOptions): Promise<void> {
  await checkTarget(file, `${file} has neither of the extensions .qcow2 and .raw`);
  await ensureTools({ need: IMAGE_TOOLS, onStep: print });
  if (process.getuid?.() === 0) for (const added of await addSubordinateIds()) print(`Added a line to ${added}`);
  const options = {
    cacheDir: folders().cache,
    agentFile,
    ...(update && { edition: newEdition() }),
    ...(signal && { signal }),
  };
  const disk = await withProgress("Making the builder's disk image", print, () =>
    ensureDiskImage({ ...options, onProgress: ({ phase }) => print(`  ${phase}`) }),
  );
  await withProgress(`Writing ${file}`, print, () => writeImage(disk, file));
  print(`image ${basename(dirname(disk))}`);
}

/** Writes the builder's disk image to a file: `npm run disk -- FILE.qcow2` for an image service, or `FILE.raw`. */
import { basename, dirname, resolve } from "node:path";
import { folders } from "../../../lib/config/folders.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { ensureDiskImage } from "../../../lib/provider/qemu/disk.ts";
import { build } from "../../tools/build.ts";
import { ensureTools } from "../../tools/setup/ensure-tools.ts";
import { withProgress } from "../../tools/setup/run-command.ts";
import { checkTarget, IMAGE_TOOLS, print, runImageProgram, writeImage } from "../write-image.ts";

const USAGE = "usage: npm run disk -- FILE.qcow2 | FILE.raw";

/** Throws CbError. */
async function main(target = ""): Promise<void> {
  const path = resolve(target);
  await checkTarget(path, USAGE);
  await ensureTools({ need: IMAGE_TOOLS, onStep: print });
  const { agent } = await build();
  if (agent === undefined) throw new CbError("config", "cannot make the image: there is no agent/main.ts");
  const { cache } = folders();
  const disk = await withProgress("Making the builder's disk image", print, () =>
    ensureDiskImage({ cacheDir: cache, agentFile: agent, onProgress: ({ phase }) => print(`  ${phase}`) }),
  );
  await withProgress(`Writing ${path}`, print, () => writeImage(disk, path));
  print(`image ${basename(dirname(disk))}`);
}

runImageProgram(main(process.argv[2]));

/** Writes the disk image of a site's hosts to a file: `npm run host-image -- FILE.qcow2 PACKAGE.deb`. */
import { basename, dirname, resolve } from "node:path";
import { folders } from "../../../lib/config/folders.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { ensureTools } from "../../tools/setup/ensure-tools.ts";
import { withProgress } from "../../tools/setup/run-command.ts";
import { checkTarget, IMAGE_TOOLS, print, runImageProgram, writeImage } from "../write-image.ts";
import { ensureHostImage } from "./image.ts";

const USAGE = "usage: npm run host-image -- FILE.qcow2 | FILE.raw  container-builder-server_VERSION_amd64.deb";

/** Throws CbError. */
async function main(target = "", packageFile?: string): Promise<void> {
  const path = resolve(target);
  if (packageFile === undefined) throw new CbError("usage", USAGE);
  await checkTarget(path, USAGE);
  await ensureTools({ need: IMAGE_TOOLS, onStep: print });
  const options = { cacheDir: folders().cache, packageFile: resolve(packageFile) };
  const disk = await withProgress("Making the host's disk image", print, () =>
    ensureHostImage({ ...options, onProgress: ({ phase }) => print(`  ${phase}`) }),
  );
  await withProgress(`Writing ${path}`, print, () => writeImage(disk, path));
  print(`image ${basename(dirname(disk))}`);
}

runImageProgram(main(process.argv[2], process.argv[3]));

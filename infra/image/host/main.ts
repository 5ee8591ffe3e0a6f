/** Writes the disk image of a site's hosts to a file: `npm run host-image -- FILE.qcow2 [PACKAGE.deb]`. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { folders } from "../../../lib/config/folders.ts";
import { ensureTools } from "../../tools/setup/ensure-tools.ts";
import { withProgress } from "../../tools/setup/run-command.ts";
import { checkTarget, IMAGE_TOOLS, print, runImageProgram, writeImage } from "../write-image.ts";
import { ensureHostImage } from "./image.ts";
import { makeServerPackage } from "./server-package.ts";

const USAGE = "usage: npm run host-image -- FILE.qcow2 | FILE.raw  [container-builder-server_VERSION_amd64.deb]";
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** Without a package, that of this checkout is made. Throws CbError. */
async function main(target = "", packageFile?: string): Promise<void> {
  const path = resolve(target);
  await checkTarget(path, USAGE);
  await ensureTools({ need: IMAGE_TOOLS, onStep: print });
  const work = await mkdtemp(join(tmpdir(), "cb-host-image-"));
  try {
    const server =
      packageFile === undefined
        ? await withProgress("Making the server package", print, () => makeServerPackage(ROOT, work))
        : resolve(packageFile);
    const options = { cacheDir: folders().cache, packageFile: server };
    const disk = await withProgress("Making the host's disk image", print, () =>
      ensureHostImage({ ...options, onProgress: ({ phase }) => print(`  ${phase}`) }),
    );
    await withProgress(`Writing ${path}`, print, () => writeImage(disk, path));
    print(`image ${basename(dirname(disk))}`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

runImageProgram(main(process.argv[2], process.argv[3]));

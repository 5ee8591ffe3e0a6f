/** Writes the builder's disk image to a file: `npm run disk -- FILE.qcow2` for an image service, or `FILE.raw`. */
import { resolve } from "node:path";
import { CbError } from "../../../lib/core/errors.ts";
import { build } from "../../tools/build.ts";
import { makeDisk } from "../builder/disk.ts";
import { checkTarget, runImageProgram } from "../write-image.ts";

const USAGE = "usage: npm run disk -- FILE.qcow2 | FILE.raw";

/** Throws CbError. */
async function main(target = ""): Promise<void> {
  const file = resolve(target);
  await checkTarget(file, USAGE);
  const { agent } = await build();
  if (agent === undefined) throw new CbError("config", "cannot make the image: there is no agent/main.ts");
  await makeDisk({ file, agentFile: agent, update: false });
}

runImageProgram(main(process.argv[2]));

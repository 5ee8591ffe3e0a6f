/** Makes the builder's disk image as a file: `npm run disk -- FILE.qcow2` for an image service, or `FILE.raw`. */
import { access, constants, mkdtemp, rename, rm } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { folders } from "../../../lib/config/folders.ts";
import { CbError, messageOf } from "../../../lib/core/errors.ts";
import { EXIT_CODES } from "../../../lib/core/exit-codes.ts";
import { ensureDiskImage } from "../../../lib/provider/qemu/disk.ts";
import { build } from "../../tools/build.ts";
import { ensureTools } from "../../tools/setup/ensure-tools.ts";
import { runCommand, withProgress } from "../../tools/setup/run-command.ts";

const USAGE = "usage: npm run disk -- FILE.qcow2 | FILE.raw";
const say = (line: string): boolean => process.stderr.write(`${line}\n`);

/** Compressed with zstd, which QEMU has from 5.1 on: smaller than zlib, and unpacked faster. */
const FORMATS: Readonly<Record<string, readonly string[]>> = {
  ".qcow2": ["-O", "qcow2", "-c", "-o", "compression_type=zstd"],
  ".raw": ["-O", "raw"],
};

/** The file is there whole or not at all; one that is there is replaced. */
async function main(target: string | undefined): Promise<void> {
  const options = FORMATS[extname(target ?? "")];
  if (target === undefined || options === undefined) throw new CbError("usage", USAGE);
  const path = resolve(target);
  // Nobody should wait for the minutes that the disk takes to be told.
  await access(dirname(path), constants.W_OK).catch((cause: unknown) => {
    throw new CbError("output", `cannot write ${path}: ${messageOf(cause)}`, { cause });
  });
  await ensureTools({ need: ["mmdebstrap", "gpg", "newuidmap", "unshare", "mount", "qemu-img"], onStep: say });
  const { agent } = await build();
  if (agent === undefined) throw new CbError("config", "there is no agent/main.ts to put into the image");
  const { cache } = folders();
  const disk = await withProgress("Making the builder's disk image", say, () =>
    ensureDiskImage({ cacheDir: cache, agentFile: agent, onProgress: ({ phase }) => say(`  ${phase}`) }),
  );
  const beside = await mkdtemp(join(dirname(path), ".container-builder-"));
  try {
    const part = join(beside, basename(path));
    const { code, output } = await withProgress(`Writing ${path}`, say, () =>
      runCommand(["qemu-img", "convert", "-f", "raw", ...options, disk, part]),
    );
    if (code !== 0) throw new CbError("output", `qemu-img could not write ${path}: ${output.trim()}`);
    await rename(part, path);
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
  say(`image ${basename(dirname(disk))}`);
}

main(process.argv[2]).catch((error: unknown) => {
  const known = error instanceof CbError;
  say(known ? `error: ${error.message}` : `bug: ${error instanceof Error ? error.stack : messageOf(error)}`);
  if (known && error.hint !== undefined) say(`  ${error.hint}`);
  process.exitCode = known ? EXIT_CODES[error.kind] : EXIT_CODES.bug;
});

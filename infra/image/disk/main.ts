/** Writes the builder's disk image to a file: `npm run disk -- FILE.qcow2` for an image service, or `FILE.raw`. */
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
const print = (line: string): boolean => process.stderr.write(`${line}\n`);

/** Compressed with zstd, which QEMU supports since 5.1: smaller than zlib, and faster to decompress. */
const FORMATS: Readonly<Record<string, readonly string[]>> = {
  ".qcow2": ["-O", "qcow2", "-c", "-o", "compression_type=zstd"],
  ".raw": ["-O", "raw"],
};

/** Writes the file atomically; an existing file is replaced. Throws CbError. */
async function main(target: string | undefined): Promise<void> {
  const options = FORMATS[extname(target ?? "")];
  if (target === undefined || options === undefined) throw new CbError("usage", USAGE);
  const path = resolve(target);
  // Checked first, because making the disk takes minutes.
  await access(dirname(path), constants.W_OK).catch((cause: unknown) => {
    throw new CbError("output", `cannot write ${path}: ${messageOf(cause)}`, { cause });
  });
  await ensureTools({ need: ["mmdebstrap", "gpg", "newuidmap", "unshare", "mount", "qemu-img"], onStep: print });
  const { agent } = await build();
  if (agent === undefined) throw new CbError("config", "cannot make the image: there is no agent/main.ts");
  const { cache } = folders();
  const disk = await withProgress("Making the builder's disk image", print, () =>
    ensureDiskImage({ cacheDir: cache, agentFile: agent, onProgress: ({ phase }) => print(`  ${phase}`) }),
  );
  const temporary = await mkdtemp(join(dirname(path), ".container-builder-"));
  try {
    const file = join(temporary, basename(path));
    const { code, output } = await withProgress(`Writing ${path}`, print, () =>
      runCommand(["qemu-img", "convert", "-f", "raw", ...options, disk, file]),
    );
    if (code !== 0) throw new CbError("output", `qemu-img could not write ${path}: ${output.trim()}`);
    await rename(file, path);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  print(`image ${basename(dirname(disk))}`);
}

main(process.argv[2]).catch((error: unknown) => {
  const known = error instanceof CbError;
  print(known ? `error: ${error.message}` : `bug: ${error instanceof Error ? error.stack : messageOf(error)}`);
  if (known && error.hint !== undefined) print(`  ${error.hint}`);
  process.exitCode = known ? EXIT_CODES[error.kind] : EXIT_CODES.bug;
});

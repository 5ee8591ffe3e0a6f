/** Writes a raw disk image to the file that an operator named, in the format of the file's extension. */
import { access, constants, mkdtemp, rename, rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { CbError, messageOf } from "../../lib/core/errors.ts";
import { EXIT_CODES } from "../../lib/core/exit-codes.ts";
import { runCommand } from "../tools/setup/run-command.ts";

/** Compressed with zstd, which QEMU supports since 5.1: smaller than zlib, and faster to decompress. */
const FORMATS: Readonly<Record<string, readonly string[]>> = {
  ".qcow2": ["-O", "qcow2", "-c", "-o", "compression_type=zstd"],
  ".raw": ["-O", "raw"],
};

/**
 * Throws CbError "usage" with the text `usage` when the file has another extension than .qcow2 or .raw, and "output" when its
 * folder cannot be written. Called first, because making an image takes minutes.
 */
export async function checkTarget(path: string, usage: string): Promise<void> {
  if (FORMATS[extname(path)] === undefined) throw new CbError("usage", usage);
  await access(dirname(path), constants.W_OK).catch((cause: unknown) => {
    throw new CbError("output", `cannot write ${path}: ${messageOf(cause)}`, { cause });
  });
}

/** Writes the file atomically; an existing file is replaced. Throws CbError "output" with the output of a failed qemu-img. */
export async function writeImage(disk: string, path: string): Promise<void> {
  const options = FORMATS[extname(path)] ?? [];
  const temporary = await mkdtemp(join(dirname(path), ".container-builder-"));
  try {
    const file = join(temporary, basename(path));
    const { code, output } = await runCommand(["qemu-img", "convert", "-f", "raw", ...options, disk, file]);
    if (code !== 0) throw new CbError("output", `qemu-img could not write ${path}: ${output.trim()}`);
    await rename(file, path);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** The tools that make a disk image and write it. */
export const IMAGE_TOOLS = ["mmdebstrap", "gpg", "newuidmap", "unshare", "mount", "qemu-img"] as const;

export const print = (line: string): boolean => process.stderr.write(`${line}\n`);

/** Runs the program, prints the error that it throws, and sets the exit code. Only a bug shows a stack trace. */
export function runImageProgram(program: Promise<void>): void {
  program.catch((error: unknown) => {
    const known = error instanceof CbError;
    print(known ? `error: ${error.message}` : `bug: ${error instanceof Error ? error.stack : messageOf(error)}`);
    if (known && error.hint !== undefined) print(`  ${error.hint}`);
    process.exitCode = known ? EXIT_CODES[error.kind] : EXIT_CODES.bug;
  });
}

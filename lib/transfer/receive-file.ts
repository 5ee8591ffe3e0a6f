/**
 * Writes received chunks into a file that appears only when it is complete: the data is written to a hidden temporary
 * file in the same directory, flushed to disk, and renamed. On any error the temporary file is removed and the target
 * is unchanged.
 */
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, type FileHandle, link, lstat, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CbError } from "../core/errors.ts";

export interface ReceiveOptions {
  readonly path: string;
  /** True replaces an existing file. False never overwrites a file, not even one created meanwhile. */
  readonly force: boolean;
}

/** Checks the target. The client calls it before it sends any request. Throws the error of `outputError`. */
export async function checkTarget({ path, force }: ReceiveOptions): Promise<void> {
  try {
    if (!(await stat(dirname(path))).isDirectory()) throw outputError(path, { code: "ENOTDIR" });
    await access(dirname(path), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw error instanceof CbError ? error : outputError(path, error);
  }
  const existing = await lstat(path).catch(() => undefined);
  if (existing?.isDirectory()) throw outputError(path, { code: "EISDIR" });
  // As root, --force could replace a device, which other programs on the machine need.
  const isSpecial = existing !== undefined && !existing.isFile() && !existing.isSymbolicLink();
  if (isSpecial)
    throw new CbError("usage", `${path} is no regular file`, { hint: "choose a regular file or a new name" });
  if (existing !== undefined && !force) throw outputError(path, { code: "EEXIST" });
}

/**
 * Resolves with the return value of `chunks` when the file is in place. Rejects with the error of `outputError`, which
 * names the path, or with the error of `chunks`. A wrong digest is such an error, thrown before the file gets its name.
 */
export async function receiveFile<T>(chunks: AsyncIterator<Uint8Array, T>, options: ReceiveOptions): Promise<T> {
  try {
    await checkTarget(options);
    return await writeBeside(chunks, options);
  } finally {
    // Ends the reader if the write failed. A finished iterator ignores the call.
    await chunks.return?.();
  }
}

async function writeBeside<T>(chunks: AsyncIterator<Uint8Array, T>, options: ReceiveOptions): Promise<T> {
  const { path } = options;
  const temporary = join(dirname(path), `.${basename(path).slice(0, 200)}.${randomUUID()}.part`);
  const file = await open(temporary, "wx").catch((error: unknown) => {
    throw outputError(path, error);
  });
  try {
    const result = await writeAll(chunks, file, path).finally(() => file.close());
    await moveToPath(temporary, options).catch((error: unknown) => {
      throw outputError(path, error);
    });
    return result;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeAll<T>(chunks: AsyncIterator<Uint8Array, T>, file: FileHandle, path: string): Promise<T> {
  for (;;) {
    const step = await chunks.next();
    try {
      if (step.done) {
        await file.sync();
        return step.value;
      }
      await writeWhole(file, step.value);
    } catch (error) {
      throw outputError(path, error);
    }
  }
}

/** write(2) may write fewer bytes than requested. */
async function writeWhole(file: FileHandle, data: Uint8Array): Promise<void> {
  for (let rest = data; rest.length > 0; ) {
    const { bytesWritten } = await file.write(rest);
    rest = rest.subarray(bytesWritten);
  }
}

/** link(2) fails if the target exists, rename(2) replaces it. */
async function moveToPath(temporary: string, { path, force }: ReceiveOptions): Promise<void> {
  if (force) await rename(temporary, path);
  else await link(temporary, path).catch((error: unknown) => renameOverEmptyFile(temporary, path, error));
  await syncDirectory(dirname(path));
}

/** On file systems without hard links (FAT, some FUSE) an empty file reserves the name, and the rename replaces it. */
async function renameOverEmptyFile(temporary: string, path: string, linkError: unknown): Promise<void> {
  if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(codeOf(linkError))) throw linkError;
  await (await open(path, "wx")).close();
  try {
    await rename(temporary, path);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

/**
 * Makes the new name survive a power failure. Errors are ignored, because some network file systems cannot sync
 * directories.
 */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r").catch(() => undefined);
  await directory?.sync().catch(() => undefined);
  await directory?.close();
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "free some space there, or choose another directory",
  EDQUOT: "your quota there is used up: free some space, or choose another directory",
  EFBIG: "the file system or your limit (ulimit -f) allows no file of this size",
  EACCES: "choose a directory you may write to",
  EPERM: "choose a directory you may write to",
  EROFS: "the file system is read-only: choose another directory",
  ENOENT: "create the directory first",
  ENOTDIR: "a part of the path is a file, not a directory",
  EISDIR: "it is a directory; choose a file name",
  EEXIST: "it exists; use --force to replace it, or choose another name",
  ENAMETOOLONG: "choose a shorter name",
};

/**
 * CbError "usage" if the path itself is wrong (it exists or is a directory), otherwise "output". Exported for its test,
 * which has no full disk.
 */
export function outputError(path: string, error: unknown): CbError {
  const code = codeOf(error);
  const hint = HINTS[code] ?? "choose another directory";
  const kind = code === "EEXIST" || code === "EISDIR" ? "usage" : "output";
  return new CbError(kind, `cannot write ${path}${code === "" ? "" : ` (${code})`}`, { hint, cause: error });
}

function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

/**
 * Writes what arrives into a file that appears only when it is whole: beside its name under a hidden temporary name,
 * flushed to the disk, then renamed. Whatever goes wrong, the temporary file is removed and the target is as it was.
 */
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, type FileHandle, link, lstat, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CbError } from "../core/errors.ts";

export interface ReceiveOptions {
  readonly path: string;
  /** True replaces a file that is there. Otherwise nothing is ever overwritten, also not what appears meanwhile. */
  readonly force: boolean;
}

/** For use before anything is asked of others. Throws as `outputError`. */
export async function checkTarget({ path, force }: ReceiveOptions): Promise<void> {
  try {
    if (!(await stat(dirname(path))).isDirectory()) throw outputError(path, { code: "ENOTDIR" });
    await access(dirname(path), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw error instanceof CbError ? error : outputError(path, error);
  }
  const there = await lstat(path).catch(() => undefined);
  if (there?.isDirectory()) throw outputError(path, { code: "EISDIR" });
  // As root --force could replace a device, which everybody on the machine would notice.
  const special = there !== undefined && !there.isFile() && !there.isSymbolicLink();
  if (special) throw new CbError("usage", `${path} is no regular file`, { hint: "name a file, or a new name" });
  if (there !== undefined && !force) throw outputError(path, { code: "EEXIST" });
}

/**
 * Resolves when the file is in place, with what `chunks` returned. Rejects as `outputError`, naming the path, or with
 * what `chunks` threw: a digest that differs is thrown there, before the file gets its name.
 */
export async function receiveFile<T>(chunks: AsyncIterator<Uint8Array, T>, options: ReceiveOptions): Promise<T> {
  try {
    await checkTarget(options);
    return await writeBeside(chunks, options);
  } finally {
    // Ends the reading when it was the writing that failed; an iterator that is done takes no notice.
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
    await giveName(temporary, options).catch((error: unknown) => {
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

/** write(2) may write less than it was given. */
async function writeWhole(file: FileHandle, data: Uint8Array): Promise<void> {
  for (let rest = data; rest.length > 0; ) {
    const { bytesWritten } = await file.write(rest);
    rest = rest.subarray(bytesWritten);
  }
}

/** link(2) fails if the target exists, rename(2) replaces it. */
async function giveName(temporary: string, { path, force }: ReceiveOptions): Promise<void> {
  if (force) await rename(temporary, path);
  else await link(temporary, path).catch((error: unknown) => renameOverOwn(temporary, path, error));
  await syncDirectory(dirname(path));
}

/** Some file systems (FAT, some FUSE) have no hard links: there the name is taken with an empty file first. */
async function renameOverOwn(temporary: string, path: string, linkError: unknown): Promise<void> {
  if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(codeOf(linkError))) throw linkError;
  await (await open(path, "wx")).close();
  try {
    await rename(temporary, path);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

/** Makes the new name survive a power cut. Where directories cannot be synced (some network file systems) nothing is lost by not doing it. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r").catch(() => undefined);
  await directory?.sync().catch(() => undefined);
  await directory?.close();
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "free some space there, or choose another directory",
  EDQUOT: "your quota there is used up: free some space, or choose another directory",
  EFBIG: "the file system or your limits (ulimit -f) allow no file of this size there",
  EACCES: "choose a directory you may write to",
  EPERM: "choose a directory you may write to",
  EROFS: "the file system is read-only: choose another directory",
  ENOENT: "make the directory first",
  ENOTDIR: "a part of the path is a file, not a directory",
  EISDIR: "it is a directory: name a file",
  EEXIST: "it exists: use --force to replace it, or another name",
  ENAMETOOLONG: "choose a shorter name",
};

/** What the caller named wrongly is "usage", everything else "output". Exported for its test: not everybody has a full disk. */
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

/** Checks the place of a received file before the transfer begins, and makes the hidden file beside it. */
import { randomUUID } from "node:crypto";
import type { Stats } from "node:fs";
import { type FileHandle, lstat, open, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CbError, codeOf } from "../core/errors.ts";

export interface ReceiveOptions {
  readonly path: string;
  /** True replaces an existing file. False never overwrites a file, not even one created meanwhile. */
  readonly force: boolean;
}

/** The received data until the file gets its name. */
export interface HiddenFile {
  readonly path: string;
  readonly file: FileHandle;
}

/**
 * The bytes of the target's name that the name of the hidden file repeats, so that a user recognizes a file left by SIGKILL. With
 * 43 further bytes the name fits the shortest known limit, 143 bytes on eCryptfs.
 */
const SHOWN_BYTES = 64;

/** An image is a program, so it may be executed, as one that `apptainer build` makes. The umask applies. */
const IMAGE_MODE = 0o777;

/**
 * Checks the target. The client calls it before it sends any request, because an error after the build would lose the image: it
 * creates the hidden file and removes it again, which also checks the lengths of both paths. Throws the error of `outputError`.
 */
export async function checkTarget(options: ReceiveOptions): Promise<void> {
  const { path, file } = await createHidden(options);
  await file.close();
  await rm(path, { force: true });
}

/** Makes the same checks, and creates the hidden file with the mode that the target will have. Errors as checkTarget. */
export async function createHidden(options: ReceiveOptions): Promise<HiddenFile> {
  const { path } = options;
  try {
    const existing = await checkExisting(options);
    const hidden = join(dirname(path), `.${cutBytes(basename(path), SHOWN_BYTES)}.${randomUUID()}.part`);
    // A replaced file keeps its mode. Set before the first byte, because the old file may be secret.
    const mode = existing?.isFile() ? existing.mode & 0o777 : undefined;
    const file = await open(hidden, "wx", mode ?? IMAGE_MODE);
    // Fails on file systems without modes (FAT), where all files have the same.
    if (mode !== undefined) await file.chmod(mode).catch(() => undefined);
    return { path: hidden, file };
  } catch (error) {
    throw error instanceof CbError ? error : outputError(path, error);
  }
}

async function checkExisting({ path, force }: ReceiveOptions): Promise<Stats | undefined> {
  const folder = await stat(dirname(path));
  if (!folder.isDirectory()) throw outputError(path, { code: "ENOTDIR" });
  const existing = await lstat(path).catch((error: unknown) => {
    // Another error is about the path itself: ENAMETOOLONG, EACCES, or EINVAL for a character that the file system lacks.
    if (codeOf(error) !== "ENOENT") throw error;
  });
  if (existing === undefined) return undefined;
  if (existing.isDirectory()) throw outputError(path, { code: "EISDIR" });
  // As root, --force could replace a device, which other programs on the machine need.
  if (!existing.isFile() && !existing.isSymbolicLink())
    throw new CbError("usage", `${path} is no regular file`, { hint: "choose a regular file or a new name" });
  if (!force) throw outputError(path, { code: "EEXIST" });
  if (!mayReplace(folder, existing, process.geteuid?.() ?? 0)) throw outputError(path, { code: "EPERM" });
  return existing;
}

/** In a sticky folder, such as /tmp, only the owner of a file, the owner of the folder and root may replace a file. */
export function mayReplace(
  folder: Pick<Stats, "mode" | "uid">,
  existing: Pick<Stats, "uid">,
  effectiveUid: number,
): boolean {
  const isSticky = (folder.mode & 0o1000) !== 0;
  return !isSticky || effectiveUid === 0 || effectiveUid === folder.uid || effectiveUid === existing.uid;
}

/** The longest begin of `text` of at most `maxBytes` of UTF-8, without a part of a character. */
function cutBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "free some space there, or choose another directory",
  EDQUOT: "your quota there is used up: free some space, or choose another directory",
  EFBIG: "the file system or your limit (ulimit -f) allows no file of this size",
  EINVAL: "this file system does not allow such a name: choose another",
  EILSEQ: "this file system does not allow such a name: choose another",
  EACCES: "choose a directory you may write to",
  EPERM: "choose a directory you may write to",
  EROFS: "the file system is read-only: choose another directory",
  ENOENT: "create the directory first",
  ENOTDIR: "a part of the path is a file, not a directory",
  EISDIR: "it is a directory; choose a file name",
  EEXIST: "it exists; use --force to replace it, or choose another name",
  ENAMETOOLONG: "choose a shorter name",
  ELOOP: "the path has a loop of symbolic links: correct it, or choose another directory",
  EIO: "the disk or the file server failed: choose another directory, or ask the administrator of this machine",
  ESTALE: "the disk or the file server failed: choose another directory, or ask the administrator of this machine",
  EMFILE: "end other programs, or raise the limit of open files: ulimit -n 1024",
  ENFILE: "end other programs, or raise the limit of open files: ulimit -n 1024",
};
/** The machine lacks something: the directory of the image is not the reason. */
const EXHAUSTED = ["EMFILE", "ENFILE"];

/**
 * CbError "usage" if the path itself is wrong (it exists or is a directory), "infrastructure" without free file descriptors,
 * otherwise "output". Exported for its test, which has no full disk.
 */
export function outputError(path: string, error: unknown): CbError {
  const code = codeOf(error);
  const hint = HINTS[code] ?? "choose another directory";
  const isOutput = code !== "EEXIST" && code !== "EISDIR";
  const kind = EXHAUSTED.includes(code) ? "infrastructure" : isOutput ? "output" : "usage";
  return new CbError(kind, `cannot write ${path}${code === "" ? "" : ` (${code})`}`, { hint, cause: error });
}

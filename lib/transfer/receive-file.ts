/**
 * Writes received chunks into a file that gets its name in a second step, when the caller knows that it may: the data is written to
 * a hidden file in the same directory and flushed to disk; `place` renames it, `discard` removes it. Until `place` the target is
 * unchanged.
 */
import { link, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { codeOf } from "../core/errors.ts";
import { DiskWriter } from "./disk-writer.ts";
import { createHidden, outputError, type ReceiveOptions } from "./target.ts";

/** A complete file that has no name yet. The caller calls `place` or `discard`. */
export interface ReceivedFile<T> {
  /** The return value of the chunks. */
  readonly result: T;
  /** Gives the file its name. On an error, which is that of `outputError`, the hidden file is removed. */
  place(): Promise<void>;
  /** Removes the hidden file. Does nothing after `place`. */
  discard(): Promise<void>;
}

/**
 * Resolves when the hidden file is complete and on disk. Rejects with the error of `outputError`, which names the path, or with the
 * error of `chunks`; the hidden file is removed then. A wrong digest is such an error.
 */
export async function receiveFile<T>(
  chunks: AsyncIterator<Uint8Array, T>,
  options: ReceiveOptions,
): Promise<ReceivedFile<T>> {
  try {
    const { path, file } = await createHidden(options);
    const discard = () => rm(path, { force: true });
    try {
      const writer = new DiskWriter(file);
      const result = await writeAll(chunks, writer, options.path).finally(() => writer.close());
      return { result, discard, place: () => place(path, options) };
    } catch (error) {
      await discard();
      throw error;
    }
  } finally {
    // Ends the reader if the write failed. A finished iterator ignores the call.
    await chunks.return?.();
  }
}

async function place(hidden: string, options: ReceiveOptions): Promise<void> {
  try {
    await moveToPath(hidden, options);
  } catch (error) {
    throw outputError(options.path, error);
  } finally {
    await rm(hidden, { force: true });
  }
}

async function writeAll<T>(chunks: AsyncIterator<Uint8Array, T>, writer: DiskWriter, path: string): Promise<T> {
  for (;;) {
    const step = await chunks.next();
    try {
      if (step.done) {
        await writer.finish();
        return step.value;
      }
      await writer.write(step.value);
    } catch (error) {
      throw outputError(path, error);
    }
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

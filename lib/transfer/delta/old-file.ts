/**
 * An older image on the caller's disk, from which parts of a new one are copied. It is opened once: whatever its name leads to later,
 * all parts come from the same file. Its chunks are looked up while the build runs. A file that is changed meanwhile gives an image
 * with a wrong digest, which is then fetched whole.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { CbError, codeOf } from "../../core/errors.ts";
import { IMAGE_MAX_BYTES } from "./chunk-list.ts";
import { fileChunks } from "./file-chunks.ts";
import type { ChunkIndex, Place } from "./plan.ts";

const MAGIC = "SIF_MAGIC";
const MAGIC_OFFSET = 32;

export class OldFile {
  readonly #file: FileHandle;
  readonly #stop = new AbortController();
  /** Rejects with the error of node:fs, or after `close`. */
  readonly index: Promise<ChunkIndex>;

  private constructor(file: FileHandle) {
    this.#file = file;
    this.index = indexOf(file, this.#stop.signal);
    this.index.catch(() => undefined);
  }

  /** Opens the file, and begins to look its chunks up. Throws CbError "usage" when no image can be copied from it, with the reason. */
  static async open(path: string): Promise<OldFile> {
    // Without O_NONBLOCK the open of a named pipe would wait for a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
      const code = codeOf(cause);
      const problem = code === "ENOENT" ? "does not exist" : `cannot be read (${code})`;
      throw new CbError("usage", `${path} ${problem}`, { cause });
    });
    try {
      await check(file, path);
    } catch (error) {
      await file.close();
      throw error;
    }
    return new OldFile(file);
  }

  /** Undefined when the file has become too short. Throws the error of node:fs. */
  async read(offset: number, bytes: number): Promise<Uint8Array | undefined> {
    const buffer = Buffer.allocUnsafe(bytes);
    for (let filled = 0; filled < bytes; ) {
      const { bytesRead } = await this.#file.read(buffer, filled, bytes - filled, offset + filled);
      if (bytesRead === 0) return undefined;
      filled += bytesRead;
    }
    return buffer;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.index.catch(() => undefined);
    await this.#file.close();
  }
}

async function check(file: FileHandle, path: string): Promise<void> {
  const info = await file.stat();
  if (!info.isFile()) throw new CbError("usage", `${path} is no regular file`);
  if (info.size > IMAGE_MAX_BYTES)
    throw new CbError("usage", `${path} has ${info.size} bytes, more than ${IMAGE_MAX_BYTES}`);
  const { buffer } = await file.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, MAGIC_OFFSET);
  if (buffer.toString("latin1") !== MAGIC) throw new CbError("usage", `${path} is no Apptainer image`);
}

async function indexOf(file: FileHandle, signal: AbortSignal): Promise<ChunkIndex> {
  const index = new Map<string, Place>();
  let offset = 0;
  for await (const { bytes, hash } of fileChunks(file, signal)) {
    index.set(hash, { offset, bytes });
    offset += bytes;
    // A file that grows while it is read.
    if (offset > IMAGE_MAX_BYTES) break;
  }
  return index;
}

/**
 * Reads a file in chunks into memory that is used again and again: an upload that allocates each chunk makes V8 collect its whole heap
 * for about every 10 MiB (docs/performance.md).
 */
import { type FileHandle, open } from "node:fs/promises";

export interface FileRingOptions {
  readonly chunkBytes: number;
  /** How much of what was yielded the caller may still need when it takes the next chunk. */
  readonly heldBytes: number;
}

/** One read: several chunks, because each read passes through a thread of its own. */
const READ_BYTES = 1024 * 1024;

/**
 * Chunks of exactly `chunkBytes`; only the last may be shorter. A chunk keeps its bytes until `heldBytes` of later ones have been
 * yielded. Throws the errors of node:fs.
 */
export async function* fileRing(path: string, options: FileRingOptions): AsyncGenerator<Uint8Array, undefined> {
  const { chunkBytes, heldBytes } = options;
  const readBytes = Math.max(1, Math.floor(READ_BYTES / chunkBytes)) * chunkBytes;
  const reads = 1 + Math.ceil((heldBytes + chunkBytes) / readBytes);
  const ring = Buffer.allocUnsafeSlow(reads * readBytes);
  const file = await open(path);
  try {
    for (let at = 0; ; at = (at + readBytes) % ring.length) {
      const bytes = await readFully(file, ring.subarray(at, at + readBytes));
      for (let start = 0; start < bytes.length; start += chunkBytes) yield bytes.subarray(start, start + chunkBytes);
      if (bytes.length < readBytes) return;
    }
  } finally {
    await file.close();
  }
}

/** The part of `buffer` that was filled: less than the whole at the end of the file only. */
async function readFully(file: FileHandle, buffer: Buffer): Promise<Buffer> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, null);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

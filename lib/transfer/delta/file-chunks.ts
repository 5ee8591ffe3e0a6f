/** The chunks of a file: read once, in constant memory. */
import type { FileHandle } from "node:fs/promises";
import { type Chunk, chunkOf } from "./chunk-list.ts";
import { CHUNK_MAX_BYTES, firstChunk } from "./chunking.ts";

/** Bytes of one read: few enough that cutting and hashing them (5 ms) does not delay the build's output. */
const READ_BYTES = 1024 * 1024;

/** Throws the reason of `signal`, and the error of node:fs when the file cannot be read. */
export async function* fileChunks(file: FileHandle, signal: AbortSignal): AsyncGenerator<Chunk> {
  const buffer = Buffer.allocUnsafe(READ_BYTES + CHUNK_MAX_BYTES);
  let filled = 0;
  let position = 0;
  for (let isEnd = false; !isEnd; ) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(buffer, filled, READ_BYTES, position);
    position += bytesRead;
    filled += bytesRead;
    isEnd = bytesRead === 0;
    let at = 0;
    while (filled - at >= (isEnd ? 1 : CHUNK_MAX_BYTES)) {
      const rest = buffer.subarray(at, filled);
      const bytes = firstChunk(rest);
      yield chunkOf(rest.subarray(0, bytes));
      at += bytes;
    }
    buffer.copyWithin(0, at, filled);
    filled -= at;
  }
}

/**
 * The list of the chunks of an image, as the agent stores it beside the image: for each chunk its length (24 bits) and the first 128
 * bits of its SHA-256, 19 bytes in all. A hostile agent may list anything: the decoder bounds it, and the SHA-256 of the whole
 * image decides.
 */
import { createHash } from "node:crypto";
import type { BuildObject } from "../../protocol/subjects.ts";
import { CHUNK_MAX_BYTES, CHUNK_MIN_BYTES } from "./chunking.ts";

/** The object that is the list, in the bucket of the image. */
export const CHUNK_LIST = "image-chunks" satisfies BuildObject;

const LENGTH_BYTES = 3;
/** Two chunks of different content have the same 128 bits by chance never; if they had, the digest of the image would differ. */
const HASH_BYTES = 16;
const ENTRY_BYTES = LENGTH_BYTES + HASH_BYTES;

export interface Chunk {
  readonly bytes: number;
  /** A binary string of 16 characters. */
  readonly hash: string;
}

export const chunkOf = (content: Uint8Array): Chunk => ({
  bytes: content.length,
  hash: createHash("sha256").update(content).digest().toString("latin1", 0, HASH_BYTES),
});

/**
 * 16 GiB: a larger image, old or new, is not compared. Its list has up to 10 MB, and takes about 60 MB of memory when it is decoded, as
 * does the index of an old file.
 */
export const IMAGE_MAX_BYTES = 16 * 1024 ** 3;

/** The longest list of an image of that size: all chunks but the last have at least CHUNK_MIN_BYTES. */
export const listMaxBytes = (imageBytes: number): number => Math.ceil(imageBytes / CHUNK_MIN_BYTES) * ENTRY_BYTES;

export function encodeChunkList(chunks: readonly Chunk[]): Buffer {
  const list = Buffer.alloc(chunks.length * ENTRY_BYTES);
  for (const [index, { bytes, hash }] of chunks.entries()) {
    const at = list.writeUIntBE(bytes, index * ENTRY_BYTES, LENGTH_BYTES);
    list.write(hash, at, HASH_BYTES, "latin1");
  }
  return list;
}

/**
 * Undefined unless the list is that of an image of `imageBytes`: whole entries, lengths within the bounds, and their
 * sum. The bounds of the lengths bound their number.
 */
export function decodeChunkList(list: Buffer, imageBytes: number): Chunk[] | undefined {
  if (imageBytes > IMAGE_MAX_BYTES) return undefined;
  if (list.length % ENTRY_BYTES !== 0) return undefined;
  const chunks: Chunk[] = [];
  let leftBytes = imageBytes;
  for (let at = 0; at < list.length; at += ENTRY_BYTES) {
    const bytes = list.readUIntBE(at, LENGTH_BYTES);
    leftBytes -= bytes;
    const isLast = at + ENTRY_BYTES === list.length;
    if (bytes > CHUNK_MAX_BYTES || bytes < (isLast ? 1 : CHUNK_MIN_BYTES) || leftBytes < 0) return undefined;
    chunks.push({ bytes, hash: list.toString("latin1", at + LENGTH_BYTES, at + ENTRY_BYTES) });
  }
  return leftBytes === 0 ? chunks : undefined;
}

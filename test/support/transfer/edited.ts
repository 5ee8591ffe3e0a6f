/** Random bytes, and a copy of them with a few random edits, as an image and its rebuild. The same seed gives the same. */
import { type Chunk, chunkOf } from "../../../lib/transfer/delta/chunk-list.ts";
import { firstChunk } from "../../../lib/transfer/delta/chunking.ts";
import type { Random } from "../../sim/random.ts";

export function randomData(random: Random, bytes: number): Buffer {
  const data = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) data.writeUInt32LE(Math.floor(random.next() * 2 ** 32), at);
  return data;
}

/** Replaces, inserts and removes up to `count` runs of up to 1000 bytes. */
export function edit(random: Random, data: Buffer, count: number): Buffer {
  let edited = data;
  for (let left = count; left > 0; left -= 1) {
    const at = random.between(0, edited.length);
    const removed = random.between(0, Math.min(1000, edited.length - at));
    const added = randomData(random, random.between(0, 1000));
    edited = Buffer.concat([edited.subarray(0, at), added, edited.subarray(at + removed)]);
  }
  return edited;
}

/** The chunks of `data` in order. */
export function cut(data: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < data.length; ) {
    const bytes = firstChunk(data.subarray(at));
    chunks.push(data.subarray(at, at + bytes));
    at += bytes;
  }
  return chunks;
}

export const listOf = (data: Uint8Array): Chunk[] => cut(data).map(chunkOf);

/** Decides from where each part of a new image comes: from the old file, or from NATS. Pure. */
import type { Chunk } from "./chunk-list.ts";

/** Where a chunk is in the old file. */
export interface Place {
  readonly offset: number;
  readonly bytes: number;
}

/** The chunks of the old file by their hash. */
export type ChunkIndex = ReadonlyMap<string, Place>;

/** In the order of the new image. `message`: the number of the message of the object that is this chunk, from 0. */
export type Part =
  | { readonly kind: "copy"; readonly offset: number; readonly bytes: number }
  | { readonly kind: "fetch"; readonly message: number; readonly bytes: number };

export interface DeltaPlan {
  readonly parts: readonly Part[];
  readonly messages: number;
  readonly fetchBytes: number;
}

/** The longest copy, which is in memory as a whole. Fewer and longer reads of the old file are faster. */
const COPY_MAX_BYTES = 1024 * 1024;

/** Each copy lies within the old file, because its place is from the index and not from the list. */
export function planDelta(list: readonly Chunk[], index: ChunkIndex): DeltaPlan {
  const parts: Part[] = [];
  let fetchBytes = 0;
  for (const [message, { bytes, hash }] of list.entries()) {
    const place = index.get(hash);
    if (place?.bytes === bytes) {
      addCopy(parts, place);
    } else {
      parts.push({ kind: "fetch", message, bytes });
      fetchBytes += bytes;
    }
  }
  return { parts, messages: list.length, fetchBytes };
}

function addCopy(parts: Part[], { offset, bytes }: Place): void {
  const last = parts.at(-1);
  const follows = last?.kind === "copy" && last.offset + last.bytes === offset && last.bytes + bytes <= COPY_MAX_BYTES;
  if (follows) parts[parts.length - 1] = { ...last, bytes: last.bytes + bytes };
  else parts.push({ kind: "copy", offset, bytes });
}

/**
 * A fetched chunk takes a request of its own and 4/3 of its bytes (base64), and the image is read in place of being streamed while the
 * builder still stores it: beyond half of the image the whole of it is faster.
 */
export const isWorthwhile = ({ fetchBytes }: DeltaPlan, imageBytes: number): boolean => fetchBytes <= imageBytes / 2;

/**
 * Cuts bytes into chunks where their content says so (a gear hash), so that bytes before a chunk, inserted or removed, do not
 * change it. The agent cuts a new image and the client an old one: only the same numbers find the same chunks.
 */

/**
 * At 64 KiB on average beyond the smallest, a real rebuild (another builder, another day, one file and one line changed) had 0.4 % of
 * its bytes in new chunks. The smallest bounds the length of a list and the space that JetStream needs for its records.
 */
export const CHUNK_MIN_BYTES = 32 * 1024;
const AVERAGE_BITS = 16;
/** Such a chunk, in base64 as STREAM.MSG.GET replies, is far below the smallest max_payload in use, 1 MiB. */
export const CHUNK_MAX_BYTES = 256 * 1024;

const SHIFT = 32 - AVERAGE_BITS;

/** A random number for each byte: the finalizer of MurmurHash3 over multiples of the golden ratio. */
const GEAR = Uint32Array.from({ length: 256 }, (_, byte) => {
  let mixed = Math.imul(byte + 1, 0x9e3779b9);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
});

/**
 * The length of the first chunk of `bytes`, which must have at least CHUNK_MAX_BYTES, or all bytes up to the end. The hash covers the
 * last 32 bytes: an older byte has been shifted out.
 */
export function firstChunk(bytes: Uint8Array): number {
  const end = Math.min(bytes.length, CHUNK_MAX_BYTES);
  let hash = 0;
  for (let at = CHUNK_MIN_BYTES; at < end; at += 1) {
    hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
    if (hash >>> SHIFT === 0) return at + 1;
  }
  return end;
}

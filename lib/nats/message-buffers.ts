/**
 * Memory of large received messages, for use again. Without it a client that fetches an object allocates as many bytes as the object
 * has, and V8 collects its whole heap for about every 10 MiB of memory outside it (docs/performance.md). Only the reader of a message
 * knows that no other part of the program refers to its bytes, so it gives them back; memory that is not given back is collected.
 */

/** Smaller messages are cheap to allocate, and many of them are kept, such as records. */
const SMALLEST_BYTES = 32 * 1024;
/** Messages of an object differ by the digits in their first line. Rounded up, each fits into the memory of any other. */
const STEP_BYTES = 4096;
/** A reader's window, twice. */
const FREE_MAX_BYTES = 8 * 1024 * 1024;

const free: Buffer[] = [];
let freeBytes = 0;
/** The memory that messages use now. */
const lent = new WeakSet<ArrayBufferLike>();

/** A buffer of exactly that size. Its contents are arbitrary. */
export function takeBuffer(bytes: number): Buffer {
  if (bytes < SMALLEST_BYTES) return Buffer.allocUnsafeSlow(bytes);
  const capacity = Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
  const at = free.findLastIndex((one) => one.length === capacity);
  const [buffer = Buffer.allocUnsafeSlow(capacity)] = at < 0 ? [] : free.splice(at, 1);
  if (at >= 0) freeBytes -= capacity;
  lent.add(buffer.buffer);
  return buffer.subarray(0, bytes);
}

/**
 * Gives back the memory that `bytes` is a part of, if it came from `takeBuffer` and has not been given back. The caller is the only one
 * that still refers to it, and does not read it any more.
 */
export function giveBack({ buffer }: Uint8Array): void {
  if (!lent.delete(buffer) || freeBytes + buffer.byteLength > FREE_MAX_BYTES) return;
  free.push(Buffer.from(buffer));
  freeBytes += buffer.byteLength;
}

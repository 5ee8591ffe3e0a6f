/**
 * The bytes that nats.js has not sent yet. Its own buffer copies all of them into one before it sends them; this one copies only small
 * ones, and sends a large payload from the memory in which the publisher holds it (docs/performance.md).
 */
import { DataBuffer } from "nats/lib/nats-base-client/internal_mod.js";

/** The largest TLS record: a larger piece gains nothing from being joined with others. */
export const LARGE_BYTES = 16 * 1024;

export class Outbound extends DataBuffer {
  readonly #send: (frame: Uint8Array) => void;

  constructor(send: (frame: Uint8Array) => void) {
    super();
    this.#send = send;
  }

  /** nats.js sends the return value, so all frames but the last one are sent here. */
  override drain(): Uint8Array {
    const frames = joinSmall(this.buffers);
    this.reset();
    for (const frame of frames.slice(0, -1)) this.#send(frame);
    return frames.at(-1) ?? new Uint8Array(0);
  }
}

/** The same bytes in the same order: each large piece as it is, and the small ones between them joined. */
function joinSmall(pieces: readonly Uint8Array[]): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let small: Uint8Array[] = [];
  const join = (): void => {
    if (small.length > 0) frames.push(Buffer.concat(small));
    small = [];
  };
  for (const piece of pieces) {
    if (piece.length >= LARGE_BYTES) {
      join();
      frames.push(piece);
    } else small.push(piece);
  }
  join();
  return frames;
}

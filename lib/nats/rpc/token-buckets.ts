/**
 * How much of one receiver each principal may take. NATS has no limit on what a credential sends: whoever sends without end
 * would have the receiver for itself.
 */

export interface RateLimit {
  /** What any question counts at least, beside its bytes. */
  readonly requestBytes: number;
  /** At once. */
  readonly burstBytes: number;
  /** On and on. */
  readonly bytesPerS: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * A small question that is refused costs what reading 1 KiB does, and more. At once three of the largest reservations, or forty
 * with the largest context that travels inside, or 16,000 small questions; on and on a thousand small questions a second,
 * which take a twentieth of a core, or a hundred recipes of 10 kB.
 */
export const PRINCIPAL_RATE_LIMIT: RateLimit = { requestBytes: KIB, burstBytes: 16 * MIB, bytesPerS: MIB };

interface Taken {
  readonly bytes: number;
  readonly atMs: number;
}

export class TokenBuckets {
  readonly limit: RateLimit;
  /** By principal, who took something last at the end; those of the last seconds alone. */
  readonly #taken = new Map<string, Taken>();
  readonly #nowMs: () => number;

  /** `nowMs`: a time that nobody sets. */
  constructor(share: RateLimit, nowMs: () => number = () => performance.now()) {
    this.limit = share;
    this.#nowMs = nowMs;
  }

  /** False when the principal has had its share for now: what it sends is not to be looked at, which costs next to nothing. */
  take(principal: string, bytes: number): boolean {
    const atMs = this.#nowMs();
    this.#forget(atMs);
    const taken = this.#takenNow(principal, atMs) + this.limit.requestBytes + bytes;
    if (taken > this.limit.burstBytes) return false;
    this.#taken.delete(principal);
    this.#taken.set(principal, { bytes: taken, atMs });
    return true;
  }

  /** Milliseconds until the principal's share has room for `bytes`, if it takes nothing meanwhile; 0 when it has. */
  untilAvailableMs(principal: string, bytes: number): number {
    const tooMuch = this.#takenNow(principal, this.#nowMs()) + bytes - this.limit.burstBytes;
    return tooMuch <= 0 ? 0 : (tooMuch / this.limit.bytesPerS) * 1000;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#taken.size;
  }

  #takenNow(principal: string, nowMs: number): number {
    const before = this.#taken.get(principal);
    return before === undefined ? 0 : Math.max(0, before.bytes - ((nowMs - before.atMs) * this.limit.bytesPerS) / 1000);
  }

  #forget(nowMs: number): void {
    const { burstBytes, bytesPerS } = this.limit;
    // After so long nothing is left of what was taken.
    const forgottenMs = (burstBytes / bytesPerS) * 1000;
    for (const [principal, { atMs }] of this.#taken) {
      if (nowMs - atMs < forgottenMs) return;
      this.#taken.delete(principal);
    }
  }
}

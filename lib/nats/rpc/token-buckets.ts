/**
 * Rate limits, as one token bucket for each principal. NATS does not limit how much a credential publishes, so without them
 * one principal could take all of the receiver's time.
 */

export interface RateLimit {
  /** Charged for each request in addition to its bytes. */
  readonly requestBytes: number;
  /** The size of the bucket: the most that a principal may send at once. */
  readonly burstBytes: number;
  /** How fast the bucket is refilled. */
  readonly bytesPerS: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * The limit of one principal. Refusing a small request costs the queue at least as much as reading 1 KiB, hence `requestBytes`.
 * The burst is three of the largest reservations, or forty with the largest inline context, or 16,000 small requests. The rate
 * is a thousand small requests a second, which take a twentieth of a core, or a hundred recipes of 10 kB.
 */
export const PRINCIPAL_RATE_LIMIT: RateLimit = { requestBytes: KIB, burstBytes: 16 * MIB, bytesPerS: MIB };

/** The tokens that a principal has used, at the time of its last request. */
interface Usage {
  readonly bytes: number;
  readonly atMs: number;
}

export class TokenBuckets {
  readonly limit: RateLimit;
  /** By principal, the most recently charged last. An entry is removed when its bucket is full again. */
  readonly #usage = new Map<string, Usage>();
  readonly #nowMs: () => number;

  /** `nowMs` is a monotonic clock. */
  constructor(limit: RateLimit, nowMs: () => number = () => performance.now()) {
    this.limit = limit;
    this.#nowMs = nowMs;
  }

  /**
   * Charges the principal's bucket for one request of `bytes`. Returns false, and charges nothing, when the bucket does not hold
   * enough: the caller then refuses the request unread, which costs next to nothing.
   */
  take(principal: string, bytes: number): boolean {
    const atMs = this.#nowMs();
    this.#removeRefilled(atMs);
    const used = this.#usedBytes(principal, atMs) + this.limit.requestBytes + bytes;
    if (used > this.limit.burstBytes) return false;
    this.#usage.delete(principal);
    this.#usage.set(principal, { bytes: used, atMs });
    return true;
  }

  /** Milliseconds until the principal's bucket holds `bytes`, if it is charged nothing meanwhile; 0 when it holds them now. */
  untilAvailableMs(principal: string, bytes: number): number {
    const missingBytes = this.#usedBytes(principal, this.#nowMs()) + bytes - this.limit.burstBytes;
    return missingBytes <= 0 ? 0 : (missingBytes / this.limit.bytesPerS) * 1000;
  }

  /** The number of principals with an entry. */
  get size(): number {
    return this.#usage.size;
  }

  #usedBytes(principal: string, nowMs: number): number {
    const usage = this.#usage.get(principal);
    return usage === undefined ? 0 : Math.max(0, usage.bytes - ((nowMs - usage.atMs) * this.limit.bytesPerS) / 1000);
  }

  #removeRefilled(nowMs: number): void {
    const { burstBytes, bytesPerS } = this.limit;
    const refillMs = (burstBytes / bytesPerS) * 1000;
    for (const [principal, { atMs }] of this.#usage) {
      if (nowMs - atMs < refillMs) return;
      this.#usage.delete(principal);
    }
  }
}

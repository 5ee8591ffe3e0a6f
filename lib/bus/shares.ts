/**
 * How much of one receiver each asker may take. NATS has no limit on what a credential sends, and all questions come over
 * one connection in the order in which they were sent: whoever sends without end would stand before everybody else.
 */

/** What any question counts at least, beside its bytes: a small one that is refused costs what reading 1 KiB does, and more. */
const QUESTION_BYTES = 1024;
/** At once: four of the largest reservations, or forty with the largest context that travels inside, or 16,000 small questions. */
const BURST_BYTES = 16 * 1024 * 1024;
/** On and on, a second: a thousand small questions, which take a twentieth of a core, or a hundred recipes of 10 kB. */
const BYTES_PER_S = 1024 * 1024;
/** After so long nothing is left of what was taken. */
const FORGOTTEN_MS = (BURST_BYTES / BYTES_PER_S) * 1000;

interface Taken {
  readonly bytes: number;
  readonly atMs: number;
}

export class Shares {
  /** By asker, who took something last at the end; those of the last seconds alone. */
  readonly #taken = new Map<string, Taken>();
  readonly #nowMs: () => number;

  /** `nowMs`: a time that nobody sets. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** False when the asker has had its share for now: what it sends is not to be looked at, which costs next to nothing. */
  take(asker: string, bytes: number): boolean {
    const atMs = this.#nowMs();
    this.#forget(atMs);
    const before = this.#taken.get(asker);
    const left = before === undefined ? 0 : before.bytes - ((atMs - before.atMs) * BYTES_PER_S) / 1000;
    const taken = Math.max(0, left) + QUESTION_BYTES + bytes;
    if (taken > BURST_BYTES) return false;
    this.#taken.delete(asker);
    this.#taken.set(asker, { bytes: taken, atMs });
    return true;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#taken.size;
  }

  #forget(nowMs: number): void {
    for (const [asker, { atMs }] of this.#taken) {
      if (nowMs - atMs < FORGOTTEN_MS) return;
      this.#taken.delete(asker);
    }
  }
}

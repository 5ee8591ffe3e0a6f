/** The builders that failed last, with what they printed: a machine that failed is gone before anybody can look at it. */

export interface Failure {
  readonly builder: string;
  readonly atMs: number;
  readonly reason: string;
  /** The newest bytes that the machine printed. */
  readonly printed: Uint8Array;
}

/** Enough to see a pattern; older ones are in the queue's log. */
const KEPT = 10;

export class Failures {
  readonly #kept: Failure[] = [];

  add(failure: Failure): void {
    this.#kept.unshift(failure);
    this.#kept.splice(KEPT);
  }

  /** The newest first. */
  all(): readonly Failure[] {
    return this.#kept;
  }
}

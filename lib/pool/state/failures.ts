/**
 * The builders that failed last, with their console output: the machine is destroyed before an operator could read it.
 */

export interface Failure {
  readonly builder: string;
  readonly atMs: number;
  readonly reason: string;
  /** The newest bytes of the machine's console output. */
  readonly printed: Uint8Array;
}

/** Enough to see a pattern; the log of the queue has the older ones. */
const FAILURES_MAX = 10;

export class Failures {
  readonly #failures: Failure[] = [];

  add(failure: Failure): void {
    this.#failures.unshift(failure);
    this.#failures.splice(FAILURES_MAX);
  }

  /** The newest first. */
  all(): readonly Failure[] {
    return this.#failures;
  }
}

/** A clock that a test advances: hours pass in milliseconds, and a test can stop exactly at a boundary. */
import type { Clock } from "../../lib/core/clock.ts";

interface Sleeper {
  atMs: number;
  readonly wake: () => void;
}

/** Its time changes only through advance(), jump() and set(). */
export class ManualClock implements Clock {
  #nowMs: number;
  readonly #sleepers = new Set<Sleeper>();

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const wake = (): void => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const sleeper: Sleeper = { atMs: this.#nowMs + Math.max(0, ms), wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", wake);
    });
  }

  /** Advances by `ms`: wakes each sleeper at its own time, and runs its pending microtasks before it wakes the next. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settled();
    for (let next = this.#nextBefore(endMs); next; next = this.#nextBefore(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
      await settled();
    }
    this.#nowMs = endMs;
  }

  /** Advances by `ms` without waking a sleeper, as in a process that was stopped (SIGSTOP) meanwhile. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  /** Steps the clock by `ms`, back if negative, as an operator or NTP does. The remaining time of each sleeper is unchanged. */
  set(ms: number): void {
    this.#nowMs += ms;
    for (const sleeper of this.#sleepers) sleeper.atMs += ms;
  }

  #nextBefore(endMs: number): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (sleeper.atMs <= endMs && (!first || sleeper.atMs < first.atMs)) first = sleeper;
    }
    return first;
  }
}

/** Resolves when the microtask queue is empty: setImmediate runs after all of it. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

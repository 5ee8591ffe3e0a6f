/** A clock that a test advances: hours pass in milliseconds, and a test can stop exactly at a boundary. */
import type { Clock } from "../../lib/core/clock.ts";

interface Sleeper {
  atMs: number;
  readonly wake: () => void;
}

/** Stands still until it is advanced. */
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

  /** Moves on by `ms`, waking each sleeper at its own time, and lets what it started settle before the next. */
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

  /** Moves on without waking anybody on the way: a process that was stopped. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  /** Shows another time from now on, earlier if `ms` is negative: somebody set it. Whoever sleeps does so for as long as before. */
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

/** All microtasks have run: setImmediate comes after the whole microtask queue. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

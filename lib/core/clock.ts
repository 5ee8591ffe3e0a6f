/**
 * Time as an argument. What waits or reads the time takes a Clock, so that tests and simulations run on a manual one:
 * hours pass in milliseconds, and a boundary can be met exactly.
 */

export interface Clock {
  /** Milliseconds since 1970, as the machine's clock has it: it may jump when somebody sets it. */
  nowMs(): number;
  /** Resolves after `ms`, or as soon as `signal` is aborted: an early end is no error. Never throws. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, ms));
      signal?.addEventListener("abort", done);
    }),
};

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

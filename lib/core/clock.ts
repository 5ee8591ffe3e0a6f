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

/** The clock as an argument: code that waits or reads the time takes a Clock, so tests and simulations can pass a manual one. */

export interface Clock {
  /** Wall-clock time in milliseconds since 1970. It jumps when an operator or NTP sets the machine's clock. */
  nowMs(): number;
  /** Resolves after `ms`, or as soon as `signal` is aborted. Never rejects: an early end is not an error. */
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

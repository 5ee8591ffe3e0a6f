/** Waiting after failures, as values: nothing here waits. */

export interface Backoff {
  /** In a row: none in between has proven that the trouble is over. */
  readonly failures: number;
  readonly lastFailureMs: number;
  /** Nothing is created before. */
  readonly untilMs: number;
  /** Of the last failure. */
  readonly reason: string;
}

export interface BackoffPolicy {
  readonly firstMs: number;
  readonly maxMs: number;
}

export const NO_BACKOFF: Backoff = { failures: 0, lastFailureMs: 0, untilMs: 0, reason: "" };

/** One failure more. The first alone costs no wait: a single machine that breaks is replaced at once. */
export function failed(before: Backoff, reason: string, policy: BackoffPolicy, nowMs: number): Backoff {
  const failures = before.failures + 1;
  return { failures, reason, lastFailureMs: nowMs, untilMs: nowMs + delayMs(failures - 1, policy) };
}

/** 0 for none, `firstMs` for one, doubled by each further, at most `maxMs`. */
export function delayMs(failures: number, policy: BackoffPolicy): number {
  if (failures <= 0) return 0;
  return Math.min(policy.maxMs, policy.firstMs * 2 ** Math.min(failures - 1, 30));
}

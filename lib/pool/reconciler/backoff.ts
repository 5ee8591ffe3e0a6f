/** Waiting after failures, as values: nothing here waits. */

export interface Backoff {
  /** In a row: none in between has proven that the trouble is over. */
  readonly failures: number;
  readonly lastFailureMs: number;
  /** Nothing is created before. */
  readonly untilMs: number;
  /** Of the last failure. */
  readonly reason: string;
  /** The last failure was a limit of the provider. */
  readonly limit?: "quota" | "rate";
}

/** A create that did not come through, as the pool is told of it. */
export interface CreateFailure {
  readonly message: string;
  /** The cloud has enough of us, and nothing is broken: its words are the reason for waiting. */
  readonly limit?: "quota" | "rate";
  /** How long the provider asks to be left alone. */
  readonly retryAfterMs?: number;
}

export interface BackoffPolicy {
  readonly firstMs: number;
  readonly maxMs: number;
}

export const NO_BACKOFF: Backoff = { failures: 0, lastFailureMs: 0, untilMs: 0, reason: "" };

/** One failure more; limits are none. The first alone costs no wait: a single machine that breaks is replaced at once. */
export function failed(before: Backoff, reason: string, policy: BackoffPolicy, nowMs: number): Backoff {
  const failures = (before.limit === undefined ? before.failures : 0) + 1;
  return { failures, reason, lastFailureMs: nowMs, untilMs: nowMs + delayMs(failures - 1, policy) };
}

/** After a limit nothing is tried at once: the next create would meet it too. */
export function backoffAfterCreateFailure(
  before: Backoff,
  failure: CreateFailure,
  policy: BackoffPolicy,
  nowMs: number,
): Backoff {
  const { message, limit, retryAfterMs = 0 } = failure;
  if (limit === undefined) return failed(before, `a create failed: ${message}`, policy, nowMs);
  const failures = (before.limit === undefined ? 0 : before.failures) + 1;
  const waitMs = Math.max(delayMs(failures, policy), retryAfterMs);
  return { failures, reason: message, lastFailureMs: nowMs, untilMs: nowMs + waitMs, limit };
}

/** 0 for none, `firstMs` for one, doubled by each further, at most `maxMs`. */
export function delayMs(failures: number, policy: BackoffPolicy): number {
  if (failures <= 0) return 0;
  return Math.min(policy.maxMs, policy.firstMs * 2 ** Math.min(failures - 1, 30));
}

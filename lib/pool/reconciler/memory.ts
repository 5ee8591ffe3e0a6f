/** The data that one pass keeps for the next: failures in a row, builders under suspicion, destroy calls. Pure. */

import { isAbsent, type PlanInput } from "./decide.ts";
import { isListed, type Matched } from "./matched.ts";
import type { Action, Backoff } from "./observation.ts";

/** A failed create, as the executor reports it. */
export interface CreateFailure {
  readonly message: string;
  /**
   * Present if the provider refused because of a limit. Nothing is broken then, and the message is the reason for
   * waiting.
   */
  readonly limit?: "quota" | "rate";
  /** How long the provider asks to be left alone. */
  readonly retryAfterMs?: number;
}

export interface BackoffPolicy {
  readonly firstMs: number;
  readonly maxMs: number;
}

export const NO_BACKOFF: Backoff = { failures: 0, lastFailureMs: 0, untilMs: 0, reason: "" };

/**
 * The backoff after one more failure; limits of the provider do not count. A single failure causes no pause, so that a
 * single broken machine is replaced at once.
 */
export function backoffAfterFailure(before: Backoff, reason: string, policy: BackoffPolicy, nowMs: number): Backoff {
  const failures = (before.limit === undefined ? before.failures : 0) + 1;
  return { failures, reason, lastFailureMs: nowMs, untilMs: nowMs + delayMs(failures - 1, policy) };
}

/** The backoff after a failed create. A limit always causes a pause, because the next create would meet it too. */
export function backoffAfterCreateFailure(
  before: Backoff,
  failure: CreateFailure,
  policy: BackoffPolicy,
  nowMs: number,
): Backoff {
  const { message, limit, retryAfterMs = 0 } = failure;
  if (limit === undefined) return backoffAfterFailure(before, `a create failed: ${message}`, policy, nowMs);
  const failures = (before.limit === undefined ? 0 : before.failures) + 1;
  const waitMs = Math.max(delayMs(failures, policy), retryAfterMs);
  return { failures, reason: message, lastFailureMs: nowMs, untilMs: nowMs + waitMs, limit };
}

/** 0 for no failure, `firstMs` for one, doubled by each further one, at most `maxMs`. */
export function delayMs(failures: number, policy: BackoffPolicy): number {
  if (failures <= 0) return 0;
  return Math.min(policy.maxMs, policy.firstMs * 2 ** Math.min(failures - 1, 30));
}

/** Several machines that failed in one pass count as one failure, because they usually share a cause. */
export function nextBackoff(decisions: readonly Action[], { observed, policy, nowMs }: PlanInput): Backoff {
  const before = observed.memory.backoff;
  const since = observed.records.filter(({ record }) => record.createdAtMs > before.lastFailureMs);
  const proven = since.some(
    ({ record }) =>
      record.state === "leased" || (record.state === "ready" && nowMs - record.sinceMs >= policy.provenMs),
  );
  // A limit keeps machines from being created, so a listed machine shows that the limit is over.
  const limitIsOver = before.limit !== undefined && since.some(({ record }) => record.seen);
  const base = proven || limitIsOver ? NO_BACKOFF : afterFreedQuota(before, decisions, { observed, policy, nowMs });
  const failure = decisions.find((action) => action.kind === "destroy" && action.failure);
  return failure ? backoffAfterFailure(base, failure.reason, policy.backoff, nowMs) : base;
}

/** Ends the pause at a quota when a machine is gone, because its part of the quota is free again. */
function afterFreedQuota(before: Backoff, decisions: readonly Action[], { observed, nowMs }: PlanInput): Backoff {
  if (before.limit !== "quota" || before.untilMs <= nowMs) return before;
  const closed = new Set(decisions.flatMap((action) => (action.kind === "gone" ? action.builder : [])));
  const isFreed = observed.records.some(({ record }) => record.seen && closed.has(record.builder));
  return isFreed ? { ...before, untilMs: nowMs } : before;
}

export function nextSuspects({ recorded, unrecorded }: Matched, input: PlanInput): Map<string, number> {
  const { memory, observedAtMs } = input.observed;
  const suspects = new Map<string, number>();
  const suspect = (builder: string) => suspects.set(builder, memory.suspects.get(builder) ?? observedAtMs);
  for (const [builder, { stored, machine }] of recorded) {
    const { record } = stored;
    const hadMachine = record.state === "booting" || record.state === "ready" || record.state === "leased";
    if (hadMachine && isAbsent(record, machine, input)) suspect(builder);
  }
  for (const builder of unrecorded.keys()) suspect(builder);
  return suspects;
}

/** Keeps only machines that are still listed, so that the map stays bounded. */
export function nextDestroyAsked(
  actions: readonly Action[],
  matched: Matched,
  { observed, nowMs }: PlanInput,
): Map<string, number> {
  const asked = new Map([...observed.memory.destroyAskedMs].filter(([id]) => isListed(matched, id)));
  for (const action of actions) {
    if (action.kind === "destroyUnrecorded" || (action.kind === "destroy" && action.call))
      asked.set(action.builder, nowMs);
  }
  return asked;
}

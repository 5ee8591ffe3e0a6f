/** What a look hands to the next one: sightings, calls made, failures in a row. */

import type { Machine } from "../../provider/provider.ts";
import { type Backoff, failed, NO_BACKOFF } from "./backoff.ts";
import { isAbsent, type PlanInput } from "./decide.ts";
import type { Action } from "./observation.ts";

/** Machines that failed in one look are one failure: they share their cause more often than not. */
export function nextBackoff(verdicts: readonly Action[], { observed: seen, policy, nowMs }: PlanInput): Backoff {
  const before = seen.memory.backoff;
  const since = seen.records.filter(({ record }) => record.createdAtMs > before.lastFailureMs);
  const proven = since.some(
    ({ record }) =>
      record.state === "leased" || (record.state === "ready" && nowMs - record.sinceMs >= policy.provenMs),
  );
  // A limit is about machines that are not made: one that is listed has passed it.
  const passed = before.limit !== undefined && since.some(({ record }) => record.seen);
  const base = proven || passed ? NO_BACKOFF : withRoom(before, verdicts, { observed: seen, policy, nowMs });
  const failure = verdicts.find((action) => action.kind === "destroy" && action.failure);
  return failure ? failed(base, failure.reason, policy.backoff, nowMs) : base;
}

/** A machine that is gone has left its part of the quota to another. */
function withRoom(before: Backoff, verdicts: readonly Action[], { observed: seen, nowMs }: PlanInput): Backoff {
  if (before.limit !== "quota" || before.untilMs <= nowMs) return before;
  const closed = new Set(verdicts.flatMap((action) => (action.kind === "gone" ? action.builder : [])));
  const room = seen.records.some(({ record }) => record.seen && closed.has(record.builder));
  return room ? { ...before, untilMs: nowMs } : before;
}

export function nextSuspects(
  machines: ReadonlyMap<string, Machine>,
  strangers: readonly Machine[],
  look: PlanInput,
): Map<string, number> {
  const vanished = look.observed.records
    .filter(({ record }) => record.state === "booting" || record.state === "ready" || record.state === "leased")
    .filter(({ record }) => isAbsent(record, machines.get(record.builder), look));
  const ids = [...vanished.map(({ record }) => record.builder), ...strangers.map(({ builder }) => builder)];
  return new Map(ids.map((id) => [id, look.observed.memory.suspects.get(id) ?? look.observed.observedAtMs]));
}

/** Only of what is still listed, so that it does not grow. */
export function nextAsked(
  actions: readonly Action[],
  machines: ReadonlyMap<string, Machine>,
  look: PlanInput,
): Map<string, number> {
  const asked = new Map([...look.observed.memory.destroyAskedMs].filter(([id]) => machines.has(id)));
  for (const action of actions) {
    if (action.kind === "destroyUnknown" || (action.kind === "destroy" && action.call))
      asked.set(action.builder, look.nowMs);
  }
  return asked;
}

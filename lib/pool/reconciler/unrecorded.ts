/** What carries our mark but stands in no record: machines without a record, and slots without one. */

import type { Machine } from "../../provider/provider.ts";
import { isConfirmed, type PlanInput } from "./decide.ts";
import type { Action } from "./observation.ts";

/**
 * Ours and of this generation of records: destroyed once confirmed. Of another generation the records were lost or
 * restored, and a build may run on it: reported, and left to the operator.
 */
export function decideUnrecorded(machine: Machine, look: PlanInput): Action | undefined {
  const { builder } = machine;
  if (machine.generation !== look.observed.generation) {
    // Said at its first sighting: it stays until somebody acts, and a log that repeats itself is not read.
    if (look.observed.memory.suspects.has(builder)) return undefined;
    return {
      kind: "report",
      builder,
      reason: `its machine is of another generation of records, ${machine.generation}`,
    };
  }
  if (!isConfirmed(builder, look) || askedLately(builder, look)) return undefined;
  return { kind: "destroyUnknown", builder, reason: "its machine is ours, and in no record in two looks running" };
}

/**
 * Claims of creates that never got as far as a record, once nothing can come of them any more: the record is written
 * before the create call, which is not made when that took too long, and is removed after the slot is free.
 */
export function orphanedSlots(
  machines: ReadonlyMap<string, Machine>,
  { observed: seen, policy, nowMs }: PlanInput,
): Action[] {
  const recorded = new Set(seen.records.map(({ record }) => record.builder));
  return seen.slots
    .filter(({ builder }) => !recorded.has(builder) && !machines.has(builder))
    .filter(({ claimedAtMs }) => nowMs >= claimedAtMs + policy.claimGraceMs && claimedAtMs < seen.observedAtMs)
    .map(({ slot, revision }) => ({ kind: "freeSlot", slot, revision, reason: "claimed, and nothing came of it" }));
}

function askedLately(builder: string, { observed: seen, policy, nowMs }: PlanInput): boolean {
  const askedMs = seen.memory.destroyAskedMs.get(builder);
  return askedMs !== undefined && nowMs - askedMs < policy.destroyRetryMs;
}

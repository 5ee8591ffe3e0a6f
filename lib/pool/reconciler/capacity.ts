/** Counting what a pool has against what it should have. */

import type { BuilderRecord } from "../state/record.ts";
import type { PlanInput } from "./decide.ts";
import type { Action, StoredBuilder } from "./observation.ts";

/** What there is to lease, and to come: what is doomed counts only as existing. */
export interface Capacity {
  /** Oldest first. */
  readonly ready: readonly StoredBuilder[];
  readonly inFlight: number;
  /** On their way out, and not confirmed gone. */
  readonly leaving: number;
  /** Everything that takes a place: records, claimed slots, unknown machines. */
  readonly existing: number;
  readonly unrecorded: number;
  readonly freeSlots: readonly number[];
  /** Ready builders there should be. */
  readonly wanted: number;
}

export function countCapacity(
  verdicts: readonly Action[],
  strangers: number,
  { observed: seen, policy }: PlanInput,
): Capacity {
  const doomed = new Set(verdicts.flatMap((action) => (action.kind === "destroy" ? action.builder : [])));
  const sound = seen.records.filter(({ record }) => !doomed.has(record.builder));
  const ready = sound.filter(({ record }) => record.state === "ready");
  const taken = new Set([...seen.slots.map(({ slot }) => slot), ...seen.records.map(({ record }) => record.slot)]);
  return {
    ready: ready.toSorted((a, b) => a.record.sinceMs - b.record.sinceMs),
    inFlight: sound.filter(({ record }) => record.state === "requested" || record.state === "booting").length,
    leaving: seen.records.length - sound.filter(({ record }) => !isLeaving(record)).length,
    existing: taken.size + strangers,
    unrecorded: strangers,
    freeSlots: Array.from({ length: policy.totalMax }, (_, slot) => slot).filter((slot) => !taken.has(slot)),
    wanted: policy.reserveTarget + seen.waiting,
  };
}

function isLeaving({ state }: BuilderRecord): boolean {
  return state === "destroying" || state === "gone";
}

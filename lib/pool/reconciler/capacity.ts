/**
 * Compares the builders that a pool has with those that it should have: creates, surplus, and the reason for users.
 * Pure.
 */

import type { BuilderRecord } from "../state/record.ts";
import type { PlanInput } from "./decide.ts";
import type { Action, Backoff, StoredBuilder } from "./observation.ts";
import type { PoolPolicy } from "./policy.ts";

/** Builders that are marked for destroy or held count only as existing. */
export interface Capacity {
  /** Oldest first. */
  readonly ready: readonly StoredBuilder[];
  /** Requested or booting. */
  readonly inFlight: number;
  /** Being destroyed, and not confirmed gone. */
  readonly leaving: number;
  /** Everything that takes a slot: records, claimed slots, unrecorded machines. */
  readonly existing: number;
  readonly unrecorded: number;
  /** Held by operators. */
  readonly held: number;
  /** The lowest ones, as many as one pass may take. */
  readonly freeSlots: readonly number[];
  /** Ready builders that there should be: none while the pool is drained. */
  readonly wanted: number;
}

export function countCapacity(
  decisions: readonly Action[],
  unrecorded: number,
  { observed, policy }: PlanInput,
): Capacity {
  const { records, slots, waiting, drained } = observed;
  const markedForDestroy = new Set<string>();
  for (const action of decisions) if (action.kind === "destroy") markedForDestroy.add(action.builder);
  const ready: StoredBuilder[] = [];
  let inFlight = 0;
  let leaving = 0;
  let held = 0;
  const taken = new Set<number>();
  for (const { slot } of slots) taken.add(slot);
  for (const stored of records) {
    const { record } = stored;
    taken.add(record.slot);
    const isMarked = markedForDestroy.has(record.builder);
    if (isMarked || isLeaving(record)) leaving += 1;
    if (isMarked) continue;
    if (record.held !== undefined) held += 1;
    else if (record.state === "ready") ready.push(stored);
    else if (record.state === "requested" || record.state === "booting") inFlight += 1;
  }
  return {
    ready: ready.sort((a, b) => a.record.sinceMs - b.record.sinceMs),
    inFlight,
    leaving,
    existing: taken.size + unrecorded,
    unrecorded,
    held,
    freeSlots: lowestFree(taken, policy),
    wanted: drained === undefined ? policy.reserveTarget + waiting : 0,
  };
}

function lowestFree(taken: ReadonlySet<number>, { totalMax, callsPerPass }: PoolPolicy): number[] {
  const free: number[] = [];
  for (let slot = 0; slot < totalMax && free.length < callsPerPass; slot++) if (!taken.has(slot)) free.push(slot);
  return free;
}

function isLeaving({ state, held }: BuilderRecord): boolean {
  return (state === "destroying" && held === undefined) || state === "gone";
}

export function planCreates(capacity: Capacity, backoff: Backoff, input: PlanInput): Action[] {
  const { policy, nowMs } = input;
  const { ready, inFlight, wanted, existing, freeSlots } = capacity;
  if (nowMs < backoff.untilMs) return [];
  const replacements = ready.some((stored) => isOld(stored, input)) ? 1 : 0;
  const missing = wanted + replacements - ready.length - inFlight;
  const allowed = createsAllowed(backoff, capacity, policy.callsPerPass);
  const reason =
    ready.length + inFlight < wanted
      ? `${ready.length} ready and ${inFlight} booting, ${wanted} wanted`
      : "an old builder is replaced";
  const count = Math.max(0, Math.min(missing, policy.totalMax - existing, allowed));
  return freeSlots.slice(0, count).map((slot) => ({ kind: "create", slot, reason }));
}

/** After repeated failures one machine at a time shows whether creates work again; at a limit one create call does. */
function createsAllowed({ failures, limit }: Backoff, { inFlight }: Capacity, max: number): number {
  if (limit !== undefined) return 1;
  return failures >= 2 ? 1 - inFlight : max;
}

/**
 * Destroys the oldest ready builders above the target, so that the replacement of an old builder displaces it. If the
 * maximum leaves no slot for a replacement, an old builder is destroyed once all are ready and no build waits: the
 * reserve is then one short for one boot.
 */
export function planSurplus({ ready, existing, wanted }: Capacity, input: PlanInput): Action[] {
  const { policy, observed } = input;
  const isFullAndIdle = ready.length === existing && existing >= policy.totalMax && observed.waiting === 0;
  const [oldest] = ready;
  const stuck = isFullAndIdle && oldest !== undefined && isOld(oldest, input) ? 1 : 0;
  const count = Math.max(ready.length - wanted, stuck, 0);
  return ready.slice(0, count).map((stored) => ({
    kind: "destroy",
    builder: stored.record.builder,
    revision: stored.revision,
    call: true,
    reason: reasonForSurplus(stored, input),
    failure: false,
  }));
}

function reasonForSurplus(stored: StoredBuilder, input: PlanInput): string {
  if (input.observed.drained !== undefined) return input.observed.drained;
  return isOld(stored, input)
    ? "it has been ready for too long and is replaced"
    : "more builders are ready than wanted";
}

function isOld({ record }: StoredBuilder, { policy, nowMs }: PlanInput): boolean {
  return nowMs - record.sinceMs >= policy.maxReadyAgeMs;
}

/**
 * Why waiting users have no builder yet; empty while as many are ready as wanted and the pool is not drained. The text holds no number that changes
 * with time alone: each change of it becomes a message in the stream of every waiting build, and those streams are
 * bounded.
 */
export function reasonBelowTarget(
  capacity: Capacity,
  backoff: Backoff,
  { observed, policy, nowMs }: PlanInput,
): string {
  const { ready, wanted, inFlight, existing, leaving, unrecorded, held } = capacity;
  if (observed.drained !== undefined) return observed.drained;
  if (ready.length >= wanted) return "";
  if (backoff.limit === undefined && nowMs < backoff.untilMs) {
    return `a pause after ${backoff.failures} failures to make a builder, the last: ${backoff.reason}`;
  }
  if (inFlight >= wanted - ready.length) return `${builders(inFlight)} booting`;
  if (backoff.limit !== undefined) return `reserve ${ready.length} of ${policy.reserveTarget}: ${backoff.reason}`;
  if (existing >= policy.totalMax) {
    // A failed create may still bring up a machine, so it holds its slot for a while. The failure is the reason, not
    // the maximum.
    if (backoff.failures > 0 && leaving > 0) {
      return `${builders(leaving)} must be destroyed first; the last failure: ${backoff.reason}`;
    }
    const notes = [
      ...(unrecorded === 0 ? [] : [`, ${unrecorded} of them not in the queue's records`]),
      ...(held === 0 ? [] : [`, ${held} of them held by an operator`]),
    ].join("");
    return `the maximum of ${builders(policy.totalMax)} is reached (${existing} exist${notes})`;
  }
  return backoff.failures > 0
    ? `one builder at a time after a failure: ${backoff.reason}`
    : "builders are being created";
}

function builders(count: number): string {
  return count === 1 ? "1 builder" : `${count} builders`;
}

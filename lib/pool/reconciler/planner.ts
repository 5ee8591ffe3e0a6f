/**
 * The planner: turns an observation into actions and the time of the next pass. Pure and synchronous. It makes every
 * decision, and gives each action its reason.
 */

import { type BuilderRecord, isHeld } from "../state/record.ts";
import { type Capacity, countCapacity, planCreates, planSurplus, reasonBelowTarget } from "./capacity.ts";
import {
  bootDeadlineMs,
  decide,
  decideUnrecorded,
  freeOrphanedSlots,
  type PlanInput,
  silenceDeadlineMs,
} from "./decide.ts";
import { type Matched, matchByBuilder } from "./matched.ts";
import { nextBackoff, nextDestroyAsked, nextSuspects } from "./memory.ts";
import type { Action, Observation, PassMemory, Plan } from "./observation.ts";
import type { PoolPolicy } from "./policy.ts";

export function plan(observed: Observation, policy: PoolPolicy, nowMs: number): Plan {
  if (!observed.complete) {
    const reason = `the provider cannot be listed in full: ${observed.problem}`;
    return { actions: [], nextPassAtMs: nowMs + policy.relistMs, reason, memory: observed.memory };
  }
  const input: PlanInput = { observed, policy, nowMs };
  const matched = matchByBuilder(observed, policy.pool);
  const decisions = decideAll(matched, input);
  const backoff = nextBackoff(decisions, input);
  const capacity = countCapacity(decisions, matched.unrecorded.size, input);
  const creates = planCreates(capacity, backoff, input);
  const actions = atMostCalls([...decisions, ...planSurplus(capacity, input), ...creates], policy.callsPerPass);
  const memory: PassMemory = {
    backoff,
    suspects: nextSuspects(matched, input),
    destroyAskedMs: nextDestroyAsked(actions, matched, input),
  };
  const nextPassAtMs = nextDeadlineMs(matched, { memory, capacity }, input);
  return { actions, nextPassAtMs, reason: reasonBelowTarget(capacity, backoff, input), memory };
}

function decideAll(matched: Matched, input: PlanInput): Action[] {
  const actions: (Action | undefined)[] = [];
  for (const { stored, machine } of matched.recorded.values()) actions.push(decide(stored, machine, input));
  for (const machine of matched.unrecorded.values()) actions.push(decideUnrecorded(machine, input));
  return [...actions.filter((action) => action !== undefined), ...freeOrphanedSlots(matched, input)];
}

/** Keeps at most `limit` calls to destroy and `limit` calls to create; the next pass plans the others again. */
function atMostCalls(actions: readonly Action[], limit: number): Action[] {
  let destroys = 0;
  let creates = 0;
  return actions.filter((action) => {
    if (action.kind === "create") return ++creates <= limit;
    if (action.kind === "destroyUnrecorded" || (action.kind === "destroy" && action.call)) return ++destroys <= limit;
    return true;
  });
}

/** The earliest time at which something requires an action without an event, at most `relistMs` ahead. */
function nextDeadlineMs(
  { recorded, orphanedSlots }: Matched,
  { memory, capacity }: { memory: PassMemory; capacity: Capacity },
  input: PlanInput,
): number {
  const { policy, nowMs } = input;
  const { ready, inFlight, wanted, freeSlots } = capacity;
  let nextMs = nowMs + policy.relistMs;
  const consider = (atMs: number): void => {
    if (atMs > nowMs && atMs < nextMs) nextMs = atMs;
  };
  for (const { stored } of recorded.values()) for (const atMs of deadlinesOf(stored.record, input)) consider(atMs);
  for (const { claimedAtMs } of orphanedSlots) consider(claimedAtMs + policy.claimGraceMs);
  for (const sinceMs of memory.suspects.values()) consider(sinceMs + policy.confirmMs);
  for (const askedMs of memory.destroyAskedMs.values()) consider(askedMs + policy.destroyRetryMs);
  if (memory.backoff.failures > 0) consider(memory.backoff.untilMs);
  if (ready.length + inFlight < wanted && freeSlots.length > 0)
    consider(Math.max(nowMs + policy.pendingMs, memory.backoff.untilMs));
  return nextMs;
}

function deadlinesOf(record: BuilderRecord, input: PlanInput): number[] {
  const { nowMs, policy } = input;
  const soonMs = nowMs + policy.pendingMs;
  if (record.held !== undefined && isHeld(record, nowMs) && record.state !== "leased") return [record.held.untilMs];
  switch (record.state) {
    case "requested":
      return [soonMs, bootDeadlineMs(record, input)];
    case "booting":
      return [bootDeadlineMs(record, input)];
    case "ready":
      return [silenceDeadlineMs(record, input), record.sinceMs + policy.maxReadyAgeMs];
    case "leased":
      return [silenceDeadlineMs(record, input)];
    case "destroying":
      // Waits a tenth of the time that it has taken, so that a machine that stays for a day is not listed every second.
      return [Math.max(soonMs, nowMs + Math.floor((nowMs - record.sinceMs) / 10))];
    case "gone":
      return [soonMs];
  }
}

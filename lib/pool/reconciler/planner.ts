/**
 * The planner: turns an observation into actions and the time of the next pass. Pure and synchronous. It makes every
 * decision, and gives each action its reason.
 */

import type { Machine } from "../../provider/provider.ts";
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
import { nextBackoff, nextDestroyAsked, nextSuspects } from "./memory.ts";
import type { Action, Observation, PassMemory, Plan } from "./observation.ts";
import type { PoolPolicy } from "./policy.ts";

export function plan(observed: Observation, policy: PoolPolicy, nowMs: number): Plan {
  if (!observed.complete) {
    const reason = `the provider cannot be listed in full: ${observed.problem}`;
    return { actions: [], nextPassAtMs: nowMs + policy.relistMs, reason, memory: observed.memory };
  }
  const input: PlanInput = { observed, policy, nowMs };
  const machines = new Map(machinesOfPool(input).map((machine) => [machine.builder, machine]));
  const unrecorded = unrecordedAmong(machines, observed);
  const decisions = [
    ...observed.records.flatMap((stored) => decide(stored, machines.get(stored.record.builder), input) ?? []),
    ...unrecorded.flatMap((machine) => decideUnrecorded(machine, input) ?? []),
    ...freeOrphanedSlots(machines, input),
  ];
  const backoff = nextBackoff(decisions, input);
  const capacity = countCapacity(decisions, unrecorded.length, input);
  const creates = planCreates(capacity, backoff, input);
  const actions = atMostCalls([...decisions, ...planSurplus(capacity, input), ...creates], policy.callsPerPass);
  const memory: PassMemory = {
    backoff,
    suspects: nextSuspects(machines, unrecorded, input),
    destroyAskedMs: nextDestroyAsked(actions, machines, input),
  };
  const nextPassAtMs = nextDeadlineMs(memory, capacity, input);
  return { actions, nextPassAtMs, reason: reasonBelowTarget(capacity, backoff, input), memory };
}

function machinesOfPool({ observed, policy }: PlanInput): Machine[] {
  return observed.machines.filter((m) => m.installation === observed.installation && m.pool === policy.pool);
}

function unrecordedAmong(machines: ReadonlyMap<string, Machine>, observed: Observation): Machine[] {
  const recorded = new Set(observed.records.map(({ record }) => record.builder));
  return [...machines.values()].filter(({ builder }) => !recorded.has(builder));
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
function nextDeadlineMs(memory: PassMemory, capacity: Capacity, input: PlanInput): number {
  const { observed, policy, nowMs } = input;
  const { ready, inFlight, wanted, freeSlots } = capacity;
  const recorded = new Set(observed.records.map(({ record }) => record.builder));
  const candidates = [
    ...observed.records.flatMap(({ record }) => deadlinesOf(record, input)),
    ...observed.slots
      .filter(({ builder }) => !recorded.has(builder))
      .map(({ claimedAtMs }) => claimedAtMs + policy.claimGraceMs),
    ...[...memory.suspects.values()].map((sinceMs) => sinceMs + policy.confirmMs),
    ...[...memory.destroyAskedMs.values()].map((askedMs) => askedMs + policy.destroyRetryMs),
    ...(memory.backoff.failures > 0 ? [memory.backoff.untilMs] : []),
    ...(ready.length + inFlight < wanted && freeSlots.length > 0
      ? [Math.max(nowMs + policy.pendingMs, memory.backoff.untilMs)]
      : []),
  ];
  return Math.min(nowMs + policy.relistMs, ...candidates.filter((atMs) => atMs > nowMs));
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

/**
 * The planner: from what is seen to what is to be done, and when to look again. Pure and synchronous; it leaves no
 * choice to execution, and each action says why.
 */

import type { Machine } from "../../provider/provider.ts";
import { countCapacity } from "./capacity.ts";
import { nextDeadlineMs } from "./deadlines.ts";
import { decide, type PlanInput } from "./decide.ts";
import { nextAsked, nextBackoff, nextSuspects } from "./memory.ts";
import type { Action, Observation, PassMemory, Plan } from "./observation.ts";
import type { PoolPolicy } from "./policy.ts";
import { reasonBelowTarget } from "./reason.ts";
import { planCreates, planSurplus } from "./refill.ts";
import { decideUnrecorded, orphanedSlots } from "./unrecorded.ts";

export function plan(seen: Observation, policy: PoolPolicy, nowMs: number): Plan {
  if (!seen.complete) {
    const why = `the provider cannot be listed in full: ${seen.problem}`;
    return { actions: [], nextPassAtMs: nowMs + policy.relistMs, reason: why, memory: seen.memory };
  }
  const look: PlanInput = { observed: seen, policy, nowMs };
  const machines = new Map(machinesOfPool(look).map((machine) => [machine.builder, machine]));
  const strangers = strangersAmong(machines, seen);
  const verdicts = [
    ...seen.records.flatMap((stored) => decide(stored, machines.get(stored.record.builder), look) ?? []),
    ...strangers.flatMap((machine) => decideUnrecorded(machine, look) ?? []),
    ...orphanedSlots(machines, look),
  ];
  const backoff = nextBackoff(verdicts, look);
  const stock = countCapacity(verdicts, strangers.length, look);
  const creates = planCreates(stock, backoff, look);
  const actions = capped([...verdicts, ...planSurplus(stock, look), ...creates], policy.callsPerPass);
  const memory: PassMemory = {
    backoff,
    suspects: nextSuspects(machines, strangers, look),
    destroyAskedMs: nextAsked(actions, machines, look),
  };
  const why = reasonBelowTarget(stock, backoff, look);
  return { actions, nextPassAtMs: nextDeadlineMs({ machines, memory, stock }, look), reason: why, memory };
}

function machinesOfPool({ observed: seen, policy }: PlanInput): Machine[] {
  return seen.machines.filter((m) => m.installation === seen.installation && m.pool === policy.pool);
}

function strangersAmong(machines: ReadonlyMap<string, Machine>, seen: Observation): Machine[] {
  const recorded = new Set(seen.records.map(({ record }) => record.builder));
  return [...machines.values()].filter(({ builder }) => !recorded.has(builder));
}

/** At most `limit` calls to destroy, and as many to create; what is cut comes up again in the next look. */
function capped(actions: readonly Action[], limit: number): Action[] {
  let destroys = 0;
  let creates = 0;
  return actions.filter((action) => {
    if (action.kind === "create") return ++creates <= limit;
    if (action.kind === "destroyUnknown" || (action.kind === "destroy" && action.call)) return ++destroys <= limit;
    return true;
  });
}

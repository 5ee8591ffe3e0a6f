/** Small observations for the tests of the planner: a few named builders, and defaults that require no action. */

import { NO_BACKOFF } from "../../../../lib/pool/reconciler/memory.ts";
import type {
  Observation,
  PassMemory,
  Plan,
  Slot,
  StoredBuilder,
} from "../../../../lib/pool/reconciler/observation.ts";
import { plan } from "../../../../lib/pool/reconciler/planner.ts";
import { type PoolPolicy, poolPolicy } from "../../../../lib/pool/reconciler/policy.ts";
import type { BuilderRecord, BuilderState } from "../../../../lib/pool/state/record.ts";
import type { Machine } from "../../../../lib/provider/provider.ts";

export const NOW = 10_000_000;
export const policy = poolPolicy({ pool: "p", reserveTarget: 1, totalMax: 3 });
export const emptyMemory: PassMemory = { suspects: new Map(), destroyAskedMs: new Map(), backoff: NO_BACKOFF };

export function record(builder: string, state: BuilderState, changes: Partial<BuilderRecord> = {}): BuilderRecord {
  const isListed = state !== "requested";
  const ids = {
    v: 1,
    builder,
    attempt: `a-${builder}`,
    pool: "p",
    slot: 0,
    reason: "test",
    host: isListed ? builder : "",
  } as const;
  const build = state === "leased" ? { build: `build-of-${builder}` } : {};
  return { ...ids, state, seen: isListed, sinceMs: NOW - 1000, createdAtMs: NOW - 1000, ...build, ...changes };
}

export function machine(builder: string, changes: Partial<Machine> = {}): Machine {
  const identity = { installation: "i", generation: "g", pool: "p", builder, attempt: `a-${builder}` };
  return { ...identity, status: "running", host: builder, createdAtMs: NOW - 1000, ...changes };
}

/** Slots and revisions follow the order of the records. Each builder has a heartbeat at NOW. */
export function observed(records: readonly BuilderRecord[], changes: Partial<Observation> = {}): Observation {
  const stored: StoredBuilder[] = records.map((one, n) => ({ record: { ...one, slot: n }, revision: n + 1 }));
  return {
    installation: "i",
    generation: "g",
    observedAtMs: NOW,
    complete: true,
    problem: "",
    machines: records
      .filter(({ state }) => state !== "requested" && state !== "gone")
      .map(({ builder }) => machine(builder)),
    records: stored,
    slots: stored.map(({ record: { builder, attempt, slot, createdAtMs } }) =>
      claim(slot, builder, createdAtMs, attempt),
    ),
    waiting: 0,
    drained: undefined,
    listeningSinceMs: 0,
    lastHeartbeatMs: new Map(records.map(({ builder }) => [builder, NOW])),
    memory: emptyMemory,
    ...changes,
  };
}

export function claim(slot: number, builder: string, claimedAtMs: number, attempt = `a-${builder}`): Slot {
  return { v: 1, slot, builder, attempt, claimedAtMs, revision: slot + 100 };
}

/** "destroy b1", "create 0", in the plan's order. */
export function kinds({ actions }: Plan): string[] {
  return actions.map((action) => `${action.kind} ${"builder" in action ? action.builder : action.slot}`);
}

export function planned(observation: Observation, changes: Partial<PoolPolicy> = {}, nowMs = NOW): string[] {
  return kinds(plan(observation, { ...policy, ...changes }, nowMs));
}

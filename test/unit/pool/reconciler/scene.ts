/** Small observations for the planner's tests: named builders, all other things calm. */

import { NO_BACKOFF } from "../../../../lib/pool/reconciler/backoff.ts";
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
export const calm: PassMemory = { suspects: new Map(), destroyAskedMs: new Map(), backoff: NO_BACKOFF };

export function record(builder: string, state: BuilderState, changes: Partial<BuilderRecord> = {}): BuilderRecord {
  const seen = state !== "requested";
  const ids = {
    v: 1,
    builder,
    attempt: `a-${builder}`,
    pool: "p",
    slot: 0,
    reason: "test",
    host: seen ? builder : "",
  } as const;
  const build = state === "leased" ? { build: `build-of-${builder}` } : {};
  return { ...ids, state, seen, sinceMs: NOW - 1000, createdAtMs: NOW - 1000, ...build, ...changes };
}

export function machine(builder: string, changes: Partial<Machine> = {}): Machine {
  const identity = { installation: "i", generation: "g", pool: "p", builder, attempt: `a-${builder}` };
  return { ...identity, status: "running", host: builder, createdAtMs: NOW - 1000, ...changes };
}

/** Slots and revisions follow the order of the records; each has been heard just now. */
export function seen(records: readonly BuilderRecord[], changes: Partial<Observation> = {}): Observation {
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
    listeningSinceMs: 0,
    lastHeartbeatMs: new Map(records.map(({ builder }) => [builder, NOW])),
    memory: calm,
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

export function planned(what: Observation, changes: Partial<PoolPolicy> = {}, nowMs = NOW): string[] {
  return kinds(plan(what, { ...policy, ...changes }, nowMs));
}

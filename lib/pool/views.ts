/** Views of the builders for users and operators: by state, and beside the machines of the provider. Pure. */

import { CbError } from "../core/errors.ts";
import type { BuilderImage } from "../protocol/builder-image.ts";
import type { Machine } from "../provider/provider.ts";
import type { Observation } from "./reconciler/observation.ts";
import type { PoolPolicy } from "./reconciler/policy.ts";
import type { BuilderRecord, BuilderState, Hold } from "./state/record.ts";
import type { RecordStore } from "./state/store.ts";

export interface BuilderView {
  readonly builder: string;
  readonly host: string;
  readonly state: BuilderState;
  readonly sinceMs: number;
  readonly reason: string;
  readonly build: string | undefined;
  /** As reported by the agent. */
  readonly builderImage: BuilderImage | undefined;
  readonly held: Hold | undefined;
}

export interface PoolStatus {
  readonly pool: string;
  readonly reserveTarget: number;
  readonly totalMax: number;
  readonly active: readonly BuilderView[];
  readonly reserve: readonly BuilderView[];
  readonly booting: readonly BuilderView[];
  readonly destroying: readonly BuilderView[];
  /** Held by operators, in any of these states but `active`. */
  readonly held: readonly BuilderView[];
  /** Why an operator has drained the pool; the target of the reserve is 0 then. */
  readonly drained: string | undefined;
  /** Why the reserve is below its target, a sentence; empty if it is not. */
  readonly reason: string;
}

/** The builders in one of `states`, those that have been in it longest first. */
export function viewsOf(store: RecordStore, ...states: readonly BuilderState[]): BuilderView[] {
  return store
    .all()
    .filter(({ record }) => states.includes(record.state))
    .toSorted((a, b) => a.record.sinceMs - b.record.sinceMs)
    .map(({ record }) => viewOf(record));
}

export function viewOf(record: BuilderRecord): BuilderView {
  const { builder, host, state, sinceMs, reason, build, builderImage, held } = record;
  return { builder, host, state, sinceMs, reason, build, builderImage, held };
}

/** Without those that an operator holds. */
export const usable = (builders: readonly BuilderView[]): BuilderView[] => builders.filter(({ held }) => !held);

export interface StatusParts {
  readonly policy: Pick<PoolPolicy, "pool" | "reserveTarget" | "totalMax">;
  readonly drained: string | undefined;
  /** See PoolStatus.reason, for that many ready builders. */
  readonly reason: (ready: number) => string;
}

export function poolStatus(store: RecordStore, { policy, drained, reason }: StatusParts): PoolStatus {
  const reserve = usable(viewsOf(store, "ready"));
  return {
    pool: policy.pool,
    reserveTarget: drained === undefined ? policy.reserveTarget : 0,
    totalMax: policy.totalMax,
    active: viewsOf(store, "leased"),
    reserve,
    booting: usable(viewsOf(store, "requested", "booting")),
    destroying: usable(viewsOf(store, "destroying", "gone")),
    held: viewsOf(store, "requested", "booting", "ready", "destroying", "gone").filter(({ held }) => held),
    drained,
    reason: reason(reserve.length),
  };
}

/** A builder's record, or an unrecorded machine, together with the status of the machine at the provider. */
export interface MachineView {
  readonly builder: string;
  /** `other generation`: created from other records. `unknown`: of this generation, but without a record. */
  readonly state: BuilderState | "held" | "other generation" | "unknown";
  readonly machine: Machine["status"] | "none";
  readonly sinceMs: number;
  readonly reason: string;
  readonly fault?: string;
  readonly host: string;
  readonly build?: string;
  readonly builderImage?: BuilderImage;
  readonly held?: Hold;
}

export interface PoolScope {
  /** The pool that the observation is of. */
  readonly pool: string;
  /** All configured pools. */
  readonly pools: ReadonlySet<string>;
}

/**
 * The pool's builders by the age of their state, then its unrecorded machines, then those of pools no longer
 * configured.
 */
export function machineViews(observed: Observation, scope: PoolScope): MachineView[] {
  const machines = new Map(observed.machines.map((machine) => [machine.builder, machine]));
  const recorded = observed.records.map(({ record }): MachineView => {
    const { builder, sinceMs, reason, host, build, builderImage, held } = record;
    const state = held !== undefined && record.state !== "leased" ? "held" : record.state;
    const optional = { ...(build && { build }), ...(builderImage && { builderImage }), ...(held && { held }) };
    return { builder, state, sinceMs, reason, host, ...statusOf(machines.get(builder)), ...optional };
  });
  const ids = new Set(recorded.map(({ builder }) => builder));
  const unrecorded = observed.machines
    .filter((machine) => !ids.has(machine.builder) && isInScope(machine, observed, scope))
    .map((machine) => unrecordedView(machine, observed, scope));
  return [...recorded.toSorted((a, b) => a.sinceMs - b.sinceMs), ...unrecorded];
}

/**
 * True for a machine of this installation, and of this pool or of one that is no longer configured. Each other pool
 * decides about its own machines.
 */
function isInScope(machine: Machine, observed: Observation, { pool, pools }: PoolScope): boolean {
  return machine.installation === observed.installation && (machine.pool === pool || !pools.has(machine.pool));
}

function statusOf(machine: Machine | undefined): Pick<MachineView, "machine" | "fault"> {
  const fault = machine?.fault;
  return { machine: machine?.status ?? "none", ...(fault === undefined ? {} : { fault }) };
}

function unrecordedView(machine: Machine, observed: Observation, { pools }: PoolScope): MachineView {
  const { builder, createdAtMs, host, generation, pool } = machine;
  const isOtherGeneration = generation !== observed.generation;
  const reason = isOtherGeneration
    ? `of another generation of records, ${generation}; a build may run on it, so only an operator destroys it`
    : pools.has(pool)
      ? "without a record; destroyed if the next listing shows it again"
      : `of the pool ${pool}, which is no longer configured`;
  const state = isOtherGeneration ? "other generation" : "unknown";
  return { builder, state, sinceMs: createdAtMs, reason, host, ...statusOf(machine) };
}

/**
 * The machine of this id, if it is in scope and of another generation of records, so that an operator may destroy it by
 * name. Undefined if the listing does not show it. Throws CbError "usage" for a machine of this generation, which the
 * reconciler manages, and "infrastructure" if the machine is not in an incomplete listing.
 */
export function otherGenerationMachine(builder: string, observed: Observation, scope: PoolScope): Machine | undefined {
  const machine = observed.machines.find((one) => one.builder === builder && isInScope(one, observed, scope));
  const isRecorded = observed.records.some(({ record }) => record.builder === builder);
  if (isRecorded || machine?.generation === observed.generation) {
    throw new CbError("usage", `builder ${builder} is in the queue's own records, so the reconciler manages it`, {
      hint: "only machines of another generation are destroyed by name; list them with: cb-admin builders",
    });
  }
  if (machine === undefined && !observed.complete) {
    throw new CbError("infrastructure", `the provider cannot be listed in full: ${observed.problem}`);
  }
  return machine;
}

/** Every machine there is, with what the records say of it: for the operator. Pure. */

import type { BuilderImage } from "../protocol/builder-image.ts";
import type { Machine } from "../provider/provider.ts";
import type { Observation } from "./reconciler/observation.ts";
import type { BuilderState } from "./state/record.ts";

export interface Surveyed {
  readonly builder: string;
  /** `foreign`: made from another generation of records. `unknown`: of this one, and in no record. */
  readonly state: BuilderState | "other generation" | "unknown";
  readonly machine: Machine["status"] | "none";
  readonly sinceMs: number;
  readonly reason: string;
  readonly fault?: string;
  readonly host: string;
  readonly build?: string;
  readonly builderImage?: BuilderImage;
}

export interface Belonging {
  /** The pool whose records are looked at. */
  readonly pool: string;
  /** Every pool that is configured. */
  readonly pools: ReadonlySet<string>;
}

/** The pool's builders in the order of their age, then its strangers, then machines of pools that are configured no longer. */
export function survey(seen: Observation, belonging: Belonging): Surveyed[] {
  const machines = new Map(seen.machines.map((machine) => [machine.builder, machine]));
  const known = seen.records.map(({ record }): Surveyed => {
    const { builder, state, sinceMs, reason, host, build, builderImage } = record;
    const more = { ...(build === undefined ? {} : { build }), ...(builderImage && { builderImage }) };
    return { builder, state, sinceMs, reason, host, ...listed(machines.get(builder)), ...more };
  });
  const recorded = new Set(known.map(({ builder }) => builder));
  const strangers = seen.machines
    .filter((machine) => !recorded.has(machine.builder) && belongs(machine, seen, belonging))
    .map((machine) => stranger(machine, seen, belonging));
  return [...known.toSorted((a, b) => a.sinceMs - b.sinceMs), ...strangers];
}

/** Ours, and this pool's or that of a pool which is no more: the machines of another pool are for that one to judge. */
export function belongs(machine: Machine, seen: Observation, { pool, pools }: Belonging): boolean {
  return machine.installation === seen.installation && (machine.pool === pool || !pools.has(machine.pool));
}

function listed(machine: Machine | undefined): Pick<Surveyed, "machine" | "fault"> {
  const fault = machine?.fault;
  return { machine: machine?.status ?? "none", ...(fault === undefined ? {} : { fault }) };
}

function stranger(machine: Machine, seen: Observation, { pools }: Belonging): Surveyed {
  const { builder, createdAtMs, host, generation, pool } = machine;
  const foreign = generation !== seen.generation;
  const reason = foreign
    ? `of another generation of records, ${generation}; it may have a build, and nobody here destroys it unasked`
    : pools.has(pool)
      ? "in no record; destroyed when a second look finds it so"
      : `of the pool ${pool}, which is configured no longer`;
  const state = foreign ? "other generation" : "unknown";
  return { builder, state, sinceMs: createdAtMs, reason, host, ...listed(machine) };
}

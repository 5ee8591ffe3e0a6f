/** The text for each waiting caller: its position in the queue, and the reason why it waits. */
import type { WaitingBuild } from "../leases/match.ts";

export interface PoolOutlook {
  readonly name: string;
  readonly booting: number;
  readonly leased: number;
  readonly max: number;
  /** The reconciler's reason for a short reserve; empty when the reserve is full. */
  readonly reason: string;
  /** Why an operator has drained it; undefined while it is not drained. */
  readonly drained?: string | undefined;
}

export interface ExplainInput {
  readonly waiting: readonly WaitingBuild[];
  readonly pools: readonly PoolOutlook[];
  readonly leasedByUser: ReadonlyMap<string, number>;
  readonly leasedPerUser: number;
}

export interface Explanation {
  readonly build: string;
  /** Counted from 1 among the builds of the same pool: 1 is next. */
  readonly position: number;
  /** The number of builds that wait for that pool. */
  readonly waiting: number;
  readonly reason: string;
}

export function explain(input: ExplainInput): Explanation[] {
  const ahead = new Map<string, number>();
  const total = new Map<string, number>();
  for (const { pool } of input.waiting) total.set(pool, (total.get(pool) ?? 0) + 1);
  return input.waiting.map((waiting) => {
    const position = (ahead.get(waiting.pool) ?? 0) + 1;
    ahead.set(waiting.pool, position);
    return {
      build: waiting.build,
      position,
      waiting: total.get(waiting.pool) ?? position,
      reason: reasonFor(waiting, input),
    };
  });
}

function reasonFor(waiting: WaitingBuild, { pools, leasedByUser, leasedPerUser }: ExplainInput): string {
  if (waiting.awaitsContext) return "the upload of its files is not complete";
  if (waiting.awaitsGone !== undefined) return waiting.awaitsGone;
  const pool = pools.find(({ name }) => name === waiting.pool);
  if (pool?.drained !== undefined) return pool.drained;
  const leased = leasedByUser.get(waiting.user) ?? 0;
  if (leased >= leasedPerUser)
    return `you have ${counted(leased, "running build")}; the limit is ${leasedPerUser} per user`;
  if (pool === undefined) return `pool ${waiting.pool} is no longer configured`;
  if (pool.leased >= pool.max) return `all ${counted(pool.max, "builder")} busy`;
  if (pool.reason !== "") return pool.reason;
  return pool.booting > 0 ? `${counted(pool.booting, "builder")} booting` : "a builder is being created";
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** What each waiting caller is told: the place in the line, and what everybody there waits for. */
import type { WaitingBuild } from "../leases/match.ts";

export interface PoolOutlook {
  readonly name: string;
  readonly booting: number;
  readonly leased: number;
  readonly max: number;
  /** The reconciler's own words for why there are no more builders; empty when all is well. */
  readonly why: string;
}

export interface ExplainInput {
  readonly waiting: readonly WaitingBuild[];
  readonly pools: readonly PoolOutlook[];
  readonly leasedByUser: ReadonlyMap<string, number>;
  readonly leasedPerUser: number;
}

export interface Explanation {
  readonly build: string;
  /** 1 is next. Counted among the builds of the same pool. */
  readonly position: number;
  readonly reason: string;
}

export function explain(input: ExplainInput): Explanation[] {
  const ahead = new Map<string, number>();
  return input.waiting.map((one) => {
    const position = (ahead.get(one.pool) ?? 0) + 1;
    ahead.set(one.pool, position);
    return { build: one.build, position, reason: reasonFor(one, input) };
  });
}

function reasonFor(one: WaitingBuild, { pools, leasedByUser, leasedPerUser }: ExplainInput): string {
  if (one.awaitsContext) return "its files are on their way";
  if (one.awaitsGone !== undefined) return one.awaitsGone;
  const has = leasedByUser.get(one.user) ?? 0;
  if (has >= leasedPerUser) return `${things(has, "build")} of yours running, which is the limit for one user`;
  const pool = pools.find(({ name }) => name === one.pool);
  if (pool === undefined) return `pool ${one.pool} is not configured any more`;
  if (pool.leased >= pool.max) return `all ${things(pool.max, "builder")} busy`;
  if (pool.why !== "") return pool.why;
  return pool.booting > 0 ? `${things(pool.booting, "builder")} booting` : "a builder is being made";
}

const things = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

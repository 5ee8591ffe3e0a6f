/** Which pool a build waits in. */
import { CbError } from "../../core/errors.ts";

export interface PoolKind {
  readonly name: string;
  readonly arch: string;
}

/** The caller's requirements of the pool. Absent: any. */
export interface PoolRequirements {
  readonly arch?: string | undefined;
  readonly pool?: string | undefined;
}

/**
 * The name of the first pool that meets the requirements. Throws CbError "usage" that lists all pools. `pools` is never
 * empty: a configuration without a pool is refused.
 */
export function choosePool(pools: readonly PoolKind[], { arch, pool }: PoolRequirements): string {
  const named = pools.filter(({ name }) => pool === undefined || name === pool);
  const chosen = named.find((candidate) => arch === undefined || candidate.arch === arch);
  if (chosen !== undefined) return chosen.name;
  const all = pools.map((each) => `${each.name} (${each.arch})`).join(", ");
  throw new CbError("usage", refusal(named[0], { arch, pool }), { hint: `the pools are: ${all}` });
}

function refusal(named: PoolKind | undefined, { arch, pool }: PoolRequirements): string {
  if (pool === undefined) return `no pool builds for ${arch}`;
  if (named === undefined) return `there is no pool ${pool}`;
  return `pool ${pool} builds for ${named.arch}, not for ${arch}`;
}

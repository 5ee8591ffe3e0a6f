/** Which pool a build goes to. */
import { CbError } from "../../core/errors.ts";

export interface PoolKind {
  readonly name: string;
  readonly arch: string;
}

/** What a caller asks for. Absent: whatever there is. */
export interface PoolWish {
  readonly arch?: string | undefined;
  readonly pool?: string | undefined;
}

/**
 * The name of the first pool that is as wished. Throws CbError "usage" that lists what there is. `pools` is never empty: the
 * configuration is refused without one.
 */
export function choosePool(pools: readonly PoolKind[], { arch, pool }: PoolWish): string {
  const named = pools.filter(({ name }) => pool === undefined || name === pool);
  const chosen = named.find((one) => arch === undefined || one.arch === arch);
  if (chosen !== undefined) return chosen.name;
  const there = pools.map((one) => `${one.name} (${one.arch})`).join(", ");
  throw new CbError("usage", refusal(named[0], { arch, pool }), { hint: `the pools are: ${there}` });
}

function refusal(named: PoolKind | undefined, { arch, pool }: PoolWish): string {
  if (pool === undefined) return `no pool builds for ${arch}`;
  if (named === undefined) return `there is no pool ${pool}`;
  return `pool ${pool} builds for ${named.arch}, not for ${arch}`;
}

/** Which pool builds for an architecture. */
import { CbError } from "../errors.ts";

export interface PoolKind {
  readonly name: string;
  readonly arch: string;
}

/**
 * The name of the first pool of that architecture, or of the first at all. Throws CbError "usage" that lists what there
 * is. `pools` is never empty: the configuration is refused without one.
 */
export function choosePool(pools: readonly PoolKind[], arch: string | undefined): string {
  const chosen = arch === undefined ? pools[0] : pools.find((pool) => pool.arch === arch);
  if (chosen !== undefined) return chosen.name;
  const there = pools.map((pool) => `${pool.name} (${pool.arch})`).join(", ");
  throw new CbError("usage", `no pool builds for ${arch}`, { hint: `the pools are: ${there}` });
}

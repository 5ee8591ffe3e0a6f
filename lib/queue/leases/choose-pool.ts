/** Which pool a build waits in. */
import { CbError } from "../../core/errors.ts";
import type { Registry } from "../../oci/address.ts";
import type { Mirror } from "../../protocol/builder-messages.ts";
import type { Gpu } from "../../protocol/fields.ts";

export interface PoolKind {
  readonly name: string;
  readonly arch: string;
  /** The graphics processors of its builders; absent: none. */
  readonly gpu?: Gpu | undefined;
  /** Of its builders; absent: none. */
  readonly mirrors?: readonly Mirror[] | undefined;
  /** The registry of layers, as its builders reach it; absent: none. */
  readonly layers?: Pick<Registry, "host" | "plainHttp"> | undefined;
}

/** The caller's requirements of the pool. Absent: any. */
export interface PoolRequirements {
  readonly arch?: string | undefined;
  readonly pool?: string | undefined;
  readonly gpu?: Gpu | undefined;
}

/**
 * The name of the first pool that meets the requirements; if it is drained, that of the next one of its architecture. Throws CbError "usage" that lists all
 * pools. `pools` is never empty: a configuration without a pool is refused.
 */
export function choosePool(
  pools: readonly PoolKind[],
  requirements: PoolRequirements,
  isDrained: (pool: string) => boolean = () => false,
): string {
  const { arch, pool, gpu } = requirements;
  const named = pools.filter(({ name }) => pool === undefined || name === pool);
  const ofArch = named.filter((candidate) => arch === undefined || candidate.arch === arch);
  const fitting = ofArch.filter((candidate) => gpu === undefined || candidate.gpu === gpu);
  const [first] = fitting;
  const chosen = fitting.find(({ name, arch }) => arch === first?.arch && !isDrained(name)) ?? first;
  if (chosen !== undefined) return chosen.name;
  const all = pools
    .map((each) => `${each.name} (${[each.arch, ...(each.gpu ? [each.gpu] : [])].join(", ")})`)
    .join(", ");
  const message = ofArch.length > 0 ? gpuRefusal(requirements) : refusal(named[0], requirements);
  throw new CbError("usage", message, { hint: `the pools are: ${all}` });
}

function refusal(named: PoolKind | undefined, { arch, pool }: PoolRequirements): string {
  if (pool === undefined) return `no pool builds for ${arch}`;
  if (named === undefined) return `there is no pool ${pool}`;
  return `pool ${pool} builds for ${named.arch}, not for ${arch}`;
}

function gpuRefusal({ arch, pool, gpu }: PoolRequirements): string {
  if (pool !== undefined) return `pool ${pool} has no GPU of the kind ${gpu}`;
  return `no pool${arch === undefined ? "" : ` for ${arch}`} has a GPU of the kind ${gpu}`;
}

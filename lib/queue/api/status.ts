/** `queue.status.<user>`: the pools and the number of builds, as cb-status shows them. */

import type { SealingKey } from "../../core/sealed-box.ts";
import type { Pool } from "../../pool/pool.ts";
import type { BuilderView } from "../../pool/views.ts";
import { imageText } from "../../protocol/builder-image.ts";
import type { StatusReply } from "../../protocol/status-messages.ts";
import type { Builds } from "../builds/builds.ts";
import type { PoolKind } from "../leases/choose-pool.ts";
import type { StorageMonitor } from "../storage/storage-monitor.ts";

type PoolReply = StatusReply["pools"][number];

/** Each builder may report another image; a correct pool has two while its image is replaced. */
const IMAGES_MAX = 4;
/** Of the streams with a fault: enough to see the kind of fault. The log names all. */
const FAULTS_MAX = 10;

export interface StatusOptions {
  readonly pools: ReadonlyMap<string, Pool>;
  readonly poolKinds: readonly PoolKind[];
  readonly builds: Builds;
  readonly storage: Pick<StorageMonitor, "figures" | "faults">;
  readonly warnings?: (() => readonly string[]) | undefined;
  readonly sealingKeys?: readonly Pick<SealingKey, "publicKey">[];
}

export function replyToStatus(options: StatusOptions, quota: StatusReply["quota"] = {}): StatusReply {
  const { pools, poolKinds, builds, storage, warnings, sealingKeys: [sealingKey] = [] } = options;
  const archOf = new Map(poolKinds.map(({ name, arch }) => [name, arch]));
  return {
    v: 1,
    pools: [...pools].map(([name, pool]) => poolReply(name, archOf.get(name) ?? "", pool)),
    builds: { waiting: builds.waiting().length, running: builds.leased().length },
    quota,
    ...(storage.figures === undefined ? {} : { storage: storage.figures }),
    ...(sealingKey === undefined ? {} : { sealingKey: sealingKey.publicKey }),
    faults: storage.faults.slice(0, FAULTS_MAX),
    warnings: [...(warnings?.() ?? [])],
  };
}

function poolReply(name: string, arch: string, pool: Pool): PoolReply {
  const { active, reserve, booting, destroying, held, reserveTarget, totalMax, reason, drained } = pool.status();
  const builders = [...active, ...reserve, ...booting, ...destroying, ...held];
  return {
    name,
    arch,
    reserve: { target: reserveTarget, ready: reserve.length, max: totalMax },
    reason,
    ...(drained === undefined ? {} : { drained }),
    builders: builders.flatMap(builderEntry),
    images: imagesOf(builders),
  };
}

/** Left out when the machine is gone. */
function builderEntry({ builder, host, state, sinceMs, reason, held }: BuilderView): PoolReply["builders"] {
  if (state === "gone") return [];
  return [{ id: builder, host, state: held && state !== "leased" ? "held" : state, sinceMs, reason }];
}

/** Counts equal reports together. The whole report is compared, because a hostile builder can report another image's id. */
export function imagesOf(builders: readonly Pick<BuilderView, "builderImage">[]): PoolReply["images"] {
  const images = new Map<string, PoolReply["images"][number]>();
  for (const { builderImage } of builders) {
    if (builderImage === undefined) continue;
    const text = imageText(builderImage);
    images.set(text, { ...builderImage, builders: (images.get(text)?.builders ?? 0) + 1 });
  }
  return [...images.values()].toSorted((a, b) => b.builders - a.builders).slice(0, IMAGES_MAX);
}

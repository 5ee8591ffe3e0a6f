/** What cb-status is told about one pool. */

import type { Pool } from "../../pool/pool.ts";
import type { BuilderView } from "../../pool/views.ts";
import { imageText } from "../../protocol/builder-image.ts";
import type { StatusReply } from "../../protocol/status-messages.ts";

type PoolReply = StatusReply["pools"][number];

/** Each builder may claim another image; an honest pool has two while it is renewed. */
const IMAGES_MAX = 4;

interface NamedPool {
  readonly name: string;
  readonly arch: string;
  readonly pool: Pool;
}

export function poolStatus({ name, arch, pool }: NamedPool): PoolReply {
  const { active, reserve, booting, destroying, reserveTarget, totalMax, reason } = pool.status();
  const builders = [...active, ...reserve, ...booting, ...destroying];
  return {
    name,
    arch,
    reserve: { target: reserveTarget, ready: reserve.length, max: totalMax },
    reason,
    builders: builders.flatMap(entry),
    images: imagesOf(builders),
  };
}

/** What is gone is nobody's news. */
function entry({ builder, host, state, sinceMs, reason }: BuilderView): PoolReply["builders"] {
  return state === "gone" ? [] : [{ id: builder, host, state, sinceMs, reason }];
}

/** Those that say the same are one; an id alone proves nothing. */
export function imagesOf(builders: readonly Pick<BuilderView, "builderImage">[]): PoolReply["images"] {
  const images = new Map<string, PoolReply["images"][number]>();
  for (const { builderImage } of builders) {
    if (builderImage === undefined) continue;
    const text = imageText(builderImage);
    images.set(text, { ...builderImage, builders: (images.get(text)?.builders ?? 0) + 1 });
  }
  return [...images.values()].toSorted((a, b) => b.builders - a.builders).slice(0, IMAGES_MAX);
}

/** `queue.status.<user>`: the pools and the builds at a glance. */
import * as v from "valibot";
import { builderImage } from "./builder-image.ts";
import { count, id, line, version } from "./fields.ts";

export const statusRequest = v.object({ v: version });

const builder = v.object({
  id,
  host: line,
  state: v.picklist(["requested", "booting", "ready", "leased", "destroying"]),
  /** Milliseconds since the epoch, by the queue's clock. */
  sinceMs: count,
  reason: line,
});
export type BuilderStatus = v.InferOutput<typeof builder>;

export const statusReply = v.object({
  v: version,
  pools: v.array(
    v.object({
      name: line,
      /** What it builds for, as `uname -m` says it. */
      arch: line,
      reserve: v.object({ target: count, ready: count, max: count }),
      /** Why the reserve is not at its target; empty when it is. */
      reason: line,
      builders: v.array(builder),
      /** What its builders say they were made of, the most frequent first, and how many say so. An older queue tells none. */
      images: v.optional(v.array(v.object({ ...builderImage.entries, builders: count })), []),
    }),
  ),
  builds: v.object({ waiting: count, running: count }),
});
export type StatusReply = v.InferOutput<typeof statusReply>;

/** `queue.status.<user>`: a summary of the pools and the builds. */
import * as v from "valibot";
import { builderImage } from "./builder-image.ts";
import { count, id, line, renewableCredential, renewedCredential, version } from "./fields.ts";
import { sealingKey } from "./secret-messages.ts";
import { storageFigures } from "./storage-figures.ts";

export const statusRequest = v.object({ v: version, ...renewableCredential });

const use = v.object({ used: count, max: count });
/** The use and the limit of builds of the day, and of the time of builders in the month (both UTC). Absent: no limit. */
const quotaFigures = v.object({ builds: v.optional(use), builderMs: v.optional(use) });
export type QuotaFigures = v.InferOutput<typeof quotaFigures>;

const builder = v.object({
  id,
  host: line,
  /** `held`: an operator keeps it for a look at it. */
  state: v.picklist(["requested", "booting", "ready", "leased", "destroying", "held"]),
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
      /** The architecture of its builders, as `uname -m` prints it. */
      arch: line,
      reserve: v.object({ target: count, ready: count, max: count }),
      /** Why the reserve is not at its target; empty when it is. */
      reason: line,
      /** An operator has drained the pool, for that reason: it takes no builds, and the target is 0. */
      drained: v.optional(line),
      builders: v.array(builder),
      /** The images that its builders report, the most frequent first, with the number of builders. An older queue sends none. */
      images: v.optional(v.array(v.object({ ...builderImage.entries, builders: count })), []),
    }),
  ),
  builds: v.object({ waiting: count, running: count }),
  /** Clients without a `sealingKey` in their settings seal secrets to it. Absent: the queue takes no secrets. */
  sealingKey: v.optional(sealingKey),
  /** An older queue sends none. */
  quota: v.optional(quotaFigures, {}),
  /** Absent while NATS does not report it. */
  storage: v.optional(storageFigures),
  /** Streams of NATS that do not answer or cannot be written, at most ten. An older queue sends none. */
  faults: v.optional(v.array(line), []),
  /** Tasks for an operator, such as a certificate to renew: one sentence each. An older queue sends none. */
  warnings: v.optional(v.array(line), []),
  ...renewedCredential,
});
export type StatusReply = v.InferOutput<typeof statusReply>;

/** A user's own builds: `queue.builds.<user>`, and `queue.attach.<user>` to watch one of them again. */
import * as v from "valibot";
import { count, id, jwt, line, userKey, version } from "./fields.ts";

export const buildsRequest = v.object({ v: version });

const entry = v.object({
  build: id,
  /** The file name that its image was to have. */
  name: line,
  state: v.picklist(["waiting", "leased", "succeeded", "failed", "cancelled", "lost"]),
  /** Why it ended as it did; empty while it has not, and when it succeeded. */
  reason: line,
  attempt: count,
  createdAtMs: count,
  leasedAtMs: v.optional(count),
  endedAtMs: v.optional(count),
  /** Present when it succeeded. */
  imageBytes: v.optional(count),
  /** Present while the image can be fetched: until then it is kept. */
  imageUntilMs: v.optional(count),
});
export type BuildEntry = v.InferOutput<typeof entry>;

/** `nowMs` is the queue's clock, so that ages are right whatever the caller's clock says. Newest first. */
export const buildsReply = v.object({ v: version, nowMs: count, builds: v.array(entry) });
export type BuildsReply = v.InferOutput<typeof buildsReply>;

/** `publicKey` is of a key pair made for this watching alone. */
export const attachRequest = v.object({ v: version, build: id, publicKey: userKey });
/** As the reply to a reservation; `name` is the file name that the image was to have, `leftMs` how long the build may still run. */
export const attachReply = v.object({ v: version, jwt, name: line, leftMs: v.optional(count) });

/** `queue.builds.<user>` lists a user's builds, and `queue.attach.<user>` gives access to one of them again. */
import * as v from "valibot";
import { count, id, jwt, line, userKey, version } from "./fields.ts";

export const buildsRequest = v.object({ v: version });

export const buildEntry = v.object({
  build: id,
  /** The file name of the image, from the reservation. */
  name: line,
  state: v.picklist(["waiting", "leased", "succeeded", "failed", "cancelled", "lost"]),
  /** Why it waits, or the reason of its final state; empty while it runs and after a success. */
  reason: line,
  /** While it waits: its position among the `waiting` builds for the same pool, from 1. An older queue sends neither. */
  position: v.optional(count),
  waiting: v.optional(count),
  attempt: count,
  createdAtMs: count,
  leasedAtMs: v.optional(count),
  endedAtMs: v.optional(count),
  /** Present if it succeeded. */
  imageBytes: v.optional(count),
  /** Present while the queue keeps the image: when that ends. */
  imageUntilMs: v.optional(count),
});
export type BuildEntry = v.InferOutput<typeof buildEntry>;

/** Newest first. `nowMs` is the queue's clock, so that ages are right even if the caller's clock is wrong. */
export const buildsReply = v.object({ v: version, nowMs: count, builds: v.array(buildEntry) });
export type BuildsReply = v.InferOutput<typeof buildsReply>;

/** `publicKey` is of a new key pair, for this attachment alone. */
export const attachRequest = v.object({ v: version, build: id, publicKey: userKey });
/** `jwt` as in the reply to a reservation, `name` the file name of the image, `leftMs` the time until the build's time limit. */
export const attachReply = v.object({ v: version, jwt, name: line, leftMs: v.optional(count) });

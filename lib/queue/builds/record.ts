/**
 * The queue's record of a build. `waiting`: it has no builder. `leased`: it has one. `ended`: `final` is its outcome, and
 * the record is kept for its user until the retention is over.
 */
import * as v from "valibot";
import { backend, finalState, leasedContext, recipeSchema } from "../../protocol/build-messages.ts";
import { count, id, line, terminal } from "../../protocol/fields.ts";
import { sealedBox } from "../../protocol/secret-messages.ts";

/** The loss of the builder that a build was leased to. */
const loss = v.object({
  builder: id,
  atMs: count,
  /** With the builder's name, as the caller reads it. */
  reason: line,
});
export type Loss = v.InferOutput<typeof loss>;

export const buildRecord = v.object({
  v: v.literal(1),
  build: id,
  user: line,
  /** The file name of the image on the caller's disk. */
  name: v.optional(line, ""),
  /** The id that the client chose for its request: a repeated request gets this build again. */
  request: id,
  backend,
  terminal: v.optional(terminal),
  pool: line,
  state: v.picklist(["waiting", "leased", "ended"]),
  /** The order in the queue, and the start of the waiting time. */
  createdAtMs: count,
  /** Number of leases so far. */
  attempt: count,
  /** The upload of the context is not complete, so the build gets no builder. */
  awaitsContext: v.optional(v.literal(true)),
  /** The loss of the previous attempt's builder: the waiting build gets no other one until that machine is confirmed gone. */
  loss: v.optional(loss),
  builder: v.optional(id),
  leasedAtMs: v.optional(count),
  final: v.optional(finalState),
  endedAtMs: v.optional(count),
  /** Everything after the end is done: the builder is released, and the final state is in the sealed stream. */
  announced: v.optional(v.boolean()),
  /** The client has confirmed the image: the bucket is deleted as soon as it has no other reader. */
  received: v.optional(v.boolean()),
  /** The bucket is deleted: the image was received, or kept for the whole retention, or there was none. */
  bucketDeleted: v.optional(v.boolean()),
  /** The key of its inputs (reuse/build-key.ts): requests with the same key get this build. Removed when its image is given up. */
  same: v.optional(line),
  /** The requests that wait for this build, once there was more than one. */
  clients: v.optional(v.array(id)),
  /** Id of the image of its last builder, as that reported it before the lease. */
  builderImage: v.optional(line),
  /** When its image was last given to another request. */
  usedAtMs: v.optional(count),
});
export type BuildRecord = v.InferOutput<typeof buildRecord>;

/** The builder's input, stored beside the record, so that the recipes of many waiting builds take no memory of the queue. */
export const recipeRecord = v.object({
  v: v.literal(1),
  recipe: recipeSchema,
  context: v.optional(leasedContext),
  /** As the client sealed them. */
  secrets: v.optional(sealedBox),
  /** The agent lists the chunks of the image. */
  listChunks: v.optional(v.literal(true)),
  /** The agent uses no layer of an earlier build. */
  rebuildLayers: v.optional(v.literal(true)),
  noCache: v.optional(v.literal(true)),
});
export type RecipeRecord = v.InferOutput<typeof recipeRecord>;

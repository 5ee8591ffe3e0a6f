/**
 * A build as the queue remembers it. `waiting`: has no builder. `leased`: has one. `ended`: `final` says how, and what
 * it was is kept for its owner until the retention is over.
 */
import * as v from "valibot";
import { backend, finalState, leasedContext, recipeSchema } from "../../protocol/build-messages.ts";
import { count, id, line, terminal } from "../../protocol/fields.ts";

/** The builder that died under a build. */
const loss = v.object({
  builder: id,
  atMs: count,
  /** With the builder's name, in words for the caller. */
  reason: line,
});
export type Loss = v.InferOutput<typeof loss>;

export const buildRecord = v.object({
  v: v.literal(1),
  build: id,
  user: line,
  /** The file name that its image is to have. */
  name: v.optional(line, ""),
  /** The caller's own id for the request: a repeat of it is this build. */
  request: id,
  backend,
  terminal: v.optional(terminal),
  pool: line,
  state: v.picklist(["waiting", "leased", "ended"]),
  /** Order in the queue, and the start of the waiting time. */
  createdAtMs: count,
  /** Leases so far. */
  attempt: count,
  /** The caller's files are not whole in the bucket yet, so no builder is given. */
  awaitsContext: v.optional(v.literal(true)),
  /** Of the attempt before: while the build waits, it gets no builder until this one's machine is confirmed gone. */
  loss: v.optional(loss),
  builder: v.optional(id),
  leasedAtMs: v.optional(count),
  final: v.optional(finalState),
  endedAtMs: v.optional(count),
  /** All that follows from the end is done: the builder is released, and the final state stands in the sealed stream. */
  announced: v.optional(v.boolean()),
  /** The caller has said that the image arrived: the bucket goes as soon as nobody else reads it. */
  received: v.optional(v.boolean()),
  /** The bucket is gone: the image arrived, or was kept for long enough, or there was none. */
  emptied: v.optional(v.boolean()),
});
export type BuildRecord = v.InferOutput<typeof buildRecord>;

/** What a builder needs to know is kept beside the record, so that a queue of many waiting builds holds none in memory. */
export const recipeRecord = v.object({ v: v.literal(1), recipe: recipeSchema, context: v.optional(leasedContext) });
export type RecipeRecord = v.InferOutput<typeof recipeRecord>;

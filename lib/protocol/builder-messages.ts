/** What an agent asks, and what the queue answers: `builder.<id>.ask`. An agent takes orders in no other way. */
import * as v from "valibot";
import { leasedContext, recipeSchema } from "./build-messages.ts";
import { builderImage } from "./builder-image.ts";
import { architecture, chunkBytes, count, digest, id, jwt, line, nuid, terminal, userKey, version } from "./fields.ts";

/** How the build in this builder ended, as the agent saw it. */
const buildOutcome = v.variant("kind", [
  v.object({ kind: v.literal("succeeded"), bytes: count, digest }),
  /** The recipe failed: the build program's exit code, and what it was. */
  v.object({ kind: v.literal("failed"), exitCode: count, reason: line }),
  /** The builder failed: worth another builder. */
  v.object({ kind: v.literal("broken"), reason: line }),
]);
export type BuildOutcome = v.InferOutput<typeof buildOutcome>;

/**
 * The agent always has one question outstanding; a new one replaces it. `ready`: give me work. `building`: still
 * alive. `storing`: an image of `bytes` is to be stored, make room. `ended`: this is how it ended. What a builder was made of
 * is told with each `ready`, since any of them may be the first that is heard; an image that does not say leaves it out.
 */
export const agentRequest = v.variant("state", [
  v.object({
    v: version,
    builder: id,
    publicKey: userKey,
    state: v.literal("ready"),
    builderImage: v.optional(builderImage),
  }),
  v.object({ v: version, builder: id, publicKey: userKey, state: v.literal("building"), build: id }),
  v.object({
    v: version,
    builder: id,
    publicKey: userKey,
    state: v.literal("storing"),
    build: id,
    image: v.object({ nuid, bytes: count, chunkBytes }),
  }),
  v.object({
    v: version,
    builder: id,
    publicKey: userKey,
    state: v.literal("ended"),
    build: id,
    outcome: buildOutcome,
  }),
]);
export type AgentRequest = v.InferOutput<typeof agentRequest>;

/** All that an agent needs for one build. `jwt` is for the public key in the question, and for this build alone. */
const lease = v.object({
  build: id,
  attempt: count,
  jwt,
  recipe: recipeSchema,
  /** What the image is to run on; absent: what the builder itself is. */
  arch: v.optional(architecture),
  /** Absent: the recipe reads nothing from its caller's disk. */
  context: v.optional(leasedContext),
  /** Registries, HOST or HOST:PORT, that the site has without TLS. */
  plainHttpRegistries: v.optional(v.array(line), []),
  terminal: v.optional(terminal),
  limits: v.object({ buildMs: count, logBytes: count, imageBytes: count }),
});
export type Lease = v.InferOutput<typeof lease>;

/**
 * `none`: ask again. `lease`: build this. `room`: the bucket for the announced image is there. `resize`: the
 * caller's terminal has this size now. `stop`: you are of no
 * use any more (your build is cancelled, has ended, or you are not known); the machine goes.
 */
export const agentReply = v.variant("order", [
  v.object({ v: version, order: v.literal("none") }),
  v.object({ v: version, order: v.literal("lease"), lease }),
  v.object({ v: version, order: v.literal("room") }),
  v.object({ v: version, order: v.literal("resize"), terminal }),
  v.object({ v: version, order: v.literal("stop"), reason: line }),
]);
export type AgentReply = v.InferOutput<typeof agentReply>;

/** Messages about one build: the caller's requests, and the states on `build.<id>.state`. */
import * as v from "valibot";
import { passedOptions } from "./build-options.ts";
import {
  absolutePath,
  architecture,
  chunkBytes,
  count,
  digest,
  id,
  jwt,
  line,
  nuid,
  renewableCredential,
  renewedCredential,
  terminal,
  userKey,
  version,
} from "./fields.ts";
import { sealedBox } from "./secret-messages.ts";

/** The largest recipe. Definition files of real projects are below 100 kB. */
export const RECIPE_MAX_BYTES = 1024 * 1024;

export const backend = v.picklist(["singularity", "docker"]);
export type Backend = v.InferOutput<typeof backend>;

/** The most build arguments. Dockerfiles with thirty exist. */
const BUILD_ARGS_MAX = 100;
const BUILD_ARG_MAX_BYTES = 4096;
/** The values of `--build-arg NAME=VALUE`, for ARG in a Dockerfile and {{ NAME }} in a definition file. */
const buildArgs = v.pipe(
  v.record(
    v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "not a valid name for a build argument")),
    v.pipe(v.string(), v.maxBytes(BUILD_ARG_MAX_BYTES)),
  ),
  v.check((args) => Object.keys(args).length <= BUILD_ARGS_MAX, `more than ${BUILD_ARGS_MAX} build arguments`),
);

/** A recipe in the form that a builder needs. */
export const recipeSchema = v.object({
  backend,
  text: v.pipe(v.string(), v.minLength(1), v.maxBytes(RECIPE_MAX_BYTES)),
  buildArgs: v.optional(buildArgs),
  /** Of a Dockerfile: path of its own ignore file on the caller's disk, NAME.dockerignore or NAME.containerignore. */
  ignoreFile: v.optional(absolutePath),
  /** Options that the builder passes on to its build programs. */
  options: v.optional(passedOptions),
});
export type Recipe = v.InferOutput<typeof recipeSchema>;

/** A context archive up to this size is sent inside the reservation, without a bucket. Enough for scripts and settings. */
export const INLINE_CONTEXT_MAX_BYTES = 256 * 1024;

/** A small context inside the request: a tar archive in base64. */
const inlineArchive = v.object({
  kind: v.literal("inline"),
  // The length is checked first, because the base64 check of 4 MiB takes 0.7 s.
  tar: v.pipe(v.string(), v.maxLength(Math.ceil(INLINE_CONTEXT_MAX_BYTES / 3) * 4), v.base64()),
});
const contextBase = {
  /** The caller's directory, which relative paths in the recipe start from. */
  directory: absolutePath,
  /** The highest user or group id that owns one of the files: a builder in a user namespace may lack it. */
  highestId: count,
};

/** The most attempts of a build. The first lost builder may be chance; the recipe may be the cause of a second. */
export const ATTEMPTS_MAX = 2;

/** The reason of a state, for display to the caller. */
const reason = line;

/**
 * By these a client asks for an earlier build of its own user with the same inputs. The digest is the client's word, so the queue answers
 * with builds of the same user alone.
 */
const sameBuildRequest = v.object({
  /** SHA-256 in hex of everything that the client sends or that the recipe names (lib/cli/build/same/build-digest.ts). */
  digest: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "not a SHA-256 digest")),
  /** Build anew in any case; later requests with this digest then get the new build. */
  rebuild: v.optional(v.literal(true)),
});
export type SameBuildRequest = v.InferOutput<typeof sameBuildRequest>;

/** The reply names an earlier build: one that waits or runs, or one with an image that the queue keeps. */
const sameBuildReply = v.object({
  state: v.picklist(["waiting", "leased", "succeeded"]),
  /** The time since it was reserved, since its lease, or since its end. */
  ageMs: count,
  /** The client that began it is still sending its files. */
  awaitsContext: v.optional(v.literal(true)),
});
export type SameBuildReply = v.InferOutput<typeof sameBuildReply>;

/**
 * Caller → queue on `queue.reserve.<user>`. The caller chooses `request`; a repeated request with the same id is the same build.
 * `publicKey` is of a key pair that the caller makes for this build alone.
 */
export const reserveRequest = v.object({
  v: version,
  request: id,
  publicKey: userKey,
  recipe: recipeSchema,
  /**
   * The files that the recipe reads from the caller's disk. `object`: the caller puts the archive, of at most `maxBytes`, as the
   * object `context` into the build's bucket and then sends the request `sent`.
   */
  context: v.optional(
    v.object({
      ...contextBase,
      archive: v.variant("kind", [inlineArchive, v.object({ kind: v.literal("object"), maxBytes: count })]),
    }),
  ),
  /** Build secrets and logins, sealed to the queue's key for this user and `request`. */
  secrets: v.optional(sealedBox),
  /** The file name of the image, so that a user can tell builds apart. */
  name: v.optional(line, ""),
  /** The architecture that the image is for. Absent: that of the pool. */
  arch: v.optional(architecture),
  /** The pool to build in. Absent: the first configured one of that architecture. */
  pool: v.optional(line),
  /** Present when the caller has a terminal: the build then runs on a pty of this size. */
  terminal: v.optional(terminal),
  /** The caller has an older image: the agent lists the chunks of the new one, so that only those are fetched that differ. */
  listChunks: v.optional(v.literal(true)),
  /** Make all layers of a Dockerfile anew. */
  rebuildLayers: v.optional(v.literal(true)),
  /** debootstrap runs, also where the queue has a tree that it made. */
  noCache: v.optional(v.literal(true)),
  /** Absent: the build is made anew, and no other request gets it. */
  same: v.optional(sameBuildRequest),
  ...renewableCredential,
});
export type ReserveRequest = v.InferOutput<typeof reserveRequest>;

/** `jwt` grants the key pair the caller's rights for this build: read its stream and bucket, put its context. */
export const reserveReply = v.object({
  v: version,
  build: id,
  jwt,
  /** Present when `build` is an earlier build with the same inputs: the client sends no context. */
  same: v.optional(sameBuildReply),
  /** Why an earlier build with the same inputs is not used, if there was one. */
  anew: v.optional(line),
  ...renewedCredential,
});
export type ReserveReply = v.InferOutput<typeof reserveReply>;

/** Caller → queue on `queue.cancel.<user>`. A caller that has no build id yet names the id of its request. */
export const cancelRequest = v.object({ v: version, target: v.object({ kind: v.picklist(["build", "request"]), id }) });
export type CancelRequest = v.InferOutput<typeof cancelRequest>;
/**
 * `state` is the final state: a build that had already ended keeps the state it ended in. `others`: the build goes on, because that
 * many other requests of the user wait for it.
 */
export const cancelReply = v.object({ v: version, state: line, others: v.optional(count) });
export type CancelReply = v.InferOutput<typeof cancelReply>;

/** The context in a lease. */
export const leasedContext = v.object({
  ...contextBase,
  archive: v.variant("kind", [inlineArchive, v.object({ kind: v.literal("object") })]),
});
export type LeasedContext = v.InferOutput<typeof leasedContext>;

/** Caller → queue on `queue.sent.<user>`: the object `context` is complete, so the build may get a builder. */
export const sentRequest = v.object({ v: version, build: id });
export const sentReply = v.object({ v: version });

/** Caller → queue on `queue.resize.<user>`: the new size of the caller's terminal. */
export const resizeRequest = v.object({ v: version, build: id, terminal });
export type ResizeRequest = v.InferOutput<typeof resizeRequest>;
export const resizeReply = v.object({ v: version });

/** Caller → queue on `queue.received.<user>`: the caller has the image, so the queue may delete the bucket. */
export const receivedRequest = v.object({ v: version, build: id });
export const receivedReply = v.object({ v: version });

const queued = v.object({
  v: version,
  state: v.literal("queued"),
  position: count,
  /** The number of builds that waited for the same pool when this was published. An older queue sends none. */
  waiting: v.optional(count),
  reason,
});
const leased = v.object({
  v: version,
  state: v.literal("leased"),
  attempt: v.pipe(count, v.maxValue(ATTEMPTS_MAX)),
  builder: id,
  host: line,
  /** The time limit of the build, from this state on. */
  limitMs: v.optional(count),
  /** In the second attempt: how the builder of the first was lost. */
  lost: v.optional(line),
});
const building = v.object({ v: version, state: v.literal("building") });
const uploading = v.object({
  v: version,
  state: v.literal("uploading"),
  /** The object's NUID, which is in the subject of its chunks, its size, and the size of each chunk but the last. */
  nuid,
  bytes: count,
  chunkBytes,
});
const succeeded = v.object({ v: version, state: v.literal("succeeded"), bytes: count, digest });
const failed = v.object({ v: version, state: v.literal("failed"), exitCode: count, reason });
const cancelled = v.object({ v: version, state: v.literal("cancelled"), reason });
const lost = v.object({ v: version, state: v.literal("lost"), reason });

/** On `build.<id>.state`, in order with the log. The last four are final; readers ignore every message after one. */
export const buildState = v.variant("state", [queued, leased, building, uploading, succeeded, failed, cancelled, lost]);
export type BuildState = v.InferOutput<typeof buildState>;

/** The states that end a build. */
export const finalState = v.variant("state", [succeeded, failed, cancelled, lost]);
export type FinalState = v.InferOutput<typeof finalState>;

export const isFinal = (state: BuildState): state is FinalState =>
  ["succeeded", "failed", "cancelled", "lost"].includes(state.state);

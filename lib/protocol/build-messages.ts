/** What is said about one build: the caller's requests, and the states on `build.<id>.state`. */
import * as v from "valibot";
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
  terminal,
  userKey,
  version,
} from "./fields.ts";

/** A recipe may be this long: definition files of real projects stay under 100 kB. */
export const RECIPE_MAX_BYTES = 1024 * 1024;

export const backend = v.picklist(["singularity", "docker"]);
export type Backend = v.InferOutput<typeof backend>;

/** Arguments may number this many: Dockerfiles with thirty were seen. */
const BUILD_ARGS_MAX = 100;
const BUILD_ARG_MAX_BYTES = 4096;
/** What `--build-arg NAME=VALUE` gave, for a Dockerfile's ARG and a definition file's {{ NAME }}. */
const buildArgs = v.pipe(
  v.record(
    v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "not a name for a build argument")),
    v.pipe(v.string(), v.maxBytes(BUILD_ARG_MAX_BYTES)),
  ),
  v.check((args) => Object.keys(args).length <= BUILD_ARGS_MAX, `more than ${BUILD_ARGS_MAX} build arguments`),
);

/** A recipe as a builder needs it. */
export const recipeSchema = v.object({
  backend,
  text: v.pipe(v.string(), v.minLength(1), v.maxBytes(RECIPE_MAX_BYTES)),
  buildArgs: v.optional(buildArgs),
  /** Of a Dockerfile: path of its own ignore file on the caller's disk, NAME.dockerignore or NAME.containerignore. */
  ignoreFile: v.optional(absolutePath),
});
export type Recipe = v.InferOutput<typeof recipeSchema>;

/** An archive of this many bytes travels inside the reservation: scripts and settings do, and no bucket is made for them. */
export const INLINE_CONTEXT_MAX_BYTES = 256 * 1024;

/** A whole small context: a tar archive in base64. */
const inlineArchive = v.object({
  kind: v.literal("inline"),
  // Its length first: looking for what is no base64 in 4 MiB takes 0.7 s.
  tar: v.pipe(v.string(), v.maxLength(Math.ceil(INLINE_CONTEXT_MAX_BYTES / 3) * 4), v.base64()),
});
const contextBase = {
  /** The caller's directory: what relative paths in the recipe start from. */
  directory: absolutePath,
  /** The highest user or group id that owns one of the files: a builder in a user namespace may not have it. */
  highestId: count,
};

/** Builders that one build may have: a machine that dies is bad luck once, and twice it may be the recipe's doing. */
export const ATTEMPTS_MAX = 2;

/** Why nothing is built yet, in words for the caller. */
const reason = line;

/**
 * Caller → queue on `queue.reserve.<user>`. `request` is chosen by the caller: a repeat is the same build. `publicKey`
 * is the caller's own key for this build alone.
 */
export const reserveRequest = v.object({
  v: version,
  request: id,
  publicKey: userKey,
  recipe: recipeSchema,
  /**
   * The files that the recipe reads from the caller's disk. `object`: they follow as the object `context` in the build's
   * bucket, an archive of at most `maxBytes`, and the caller says `sent` when it is whole.
   */
  context: v.optional(
    v.object({
      ...contextBase,
      archive: v.variant("kind", [inlineArchive, v.object({ kind: v.literal("object"), maxBytes: count })]),
    }),
  ),
  /** The file name that the image is to have, so that people know their builds apart. */
  name: v.optional(line, ""),
  /** What the image is to run on; absent: as the pool has it. */
  arch: v.optional(architecture),
  /** The pool to build in; absent: the queue's first of that architecture. */
  pool: v.optional(line),
  /** Present when the caller watches at a terminal: the build then runs on a pty of this size. */
  terminal: v.optional(terminal),
});
export type ReserveRequest = v.InferOutput<typeof reserveRequest>;

/** `jwt` lets the holder of the key read this build's stream and image, and nothing else. */
export const reserveReply = v.object({ v: version, build: id, jwt });
export type ReserveReply = v.InferOutput<typeof reserveReply>;

/** Caller → queue on `queue.cancel.<user>`: by the request's id too, for a caller who has not got the build's yet. */
export const cancelRequest = v.object({ v: version, target: v.object({ kind: v.picklist(["build", "request"]), id }) });
export type CancelRequest = v.InferOutput<typeof cancelRequest>;
/** `state` is where the build stood: a build that has ended stays as it ended. */
export const cancelReply = v.object({ v: version, state: line });
export type CancelReply = v.InferOutput<typeof cancelReply>;

/** What a builder is told of the context: either archive has all of it. */
export const leasedContext = v.object({
  ...contextBase,
  archive: v.variant("kind", [inlineArchive, v.object({ kind: v.literal("object") })]),
});
export type LeasedContext = v.InferOutput<typeof leasedContext>;

/** Caller → queue on `queue.sent.<user>`: the object `context` is whole in the bucket, the build may have a builder. */
export const sentRequest = v.object({ v: version, build: id });
export const sentReply = v.object({ v: version });

/** Caller → queue on `queue.resize.<user>`: the caller's terminal has this size now. */
export const resizeRequest = v.object({ v: version, build: id, terminal });
export type ResizeRequest = v.InferOutput<typeof resizeRequest>;
export const resizeReply = v.object({ v: version });

/** Caller → queue on `queue.received.<user>`: the image is safe with the caller, its bucket may go. */
export const receivedRequest = v.object({ v: version, build: id });
export const receivedReply = v.object({ v: version });

const queued = v.object({ v: version, state: v.literal("queued"), position: count, reason });
const leased = v.object({
  v: version,
  state: v.literal("leased"),
  attempt: v.pipe(count, v.maxValue(ATTEMPTS_MAX)),
  builder: id,
  host: line,
  /** How long the build may run from now on. */
  limitMs: v.optional(count),
  /** From the second attempt on: what became of the builder before. */
  lost: v.optional(line),
});
const building = v.object({ v: version, state: v.literal("building") });
const uploading = v.object({
  v: version,
  state: v.literal("uploading"),
  /** Where the chunks appear: the object's NUID, its size, and the size of each chunk but the last. */
  nuid,
  bytes: count,
  chunkBytes,
});
const succeeded = v.object({ v: version, state: v.literal("succeeded"), bytes: count, digest });
const failed = v.object({ v: version, state: v.literal("failed"), exitCode: count, reason });
const cancelled = v.object({ v: version, state: v.literal("cancelled"), reason });
const lost = v.object({ v: version, state: v.literal("lost"), reason });

/** On `build.<id>.state`, in the order of the log. The last four are final; readers ignore what follows one. */
export const buildState = v.variant("state", [queued, leased, building, uploading, succeeded, failed, cancelled, lost]);
export type BuildState = v.InferOutput<typeof buildState>;

/** How a build may end. */
export const finalState = v.variant("state", [succeeded, failed, cancelled, lost]);
export type FinalState = v.InferOutput<typeof finalState>;

export const isFinal = (state: BuildState): state is FinalState =>
  ["succeeded", "failed", "cancelled", "lost"].includes(state.state);

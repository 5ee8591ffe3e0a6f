/** `admin.<verb>.<operator>`: requests of cb-admin to the queue. All times are by the queue's clock. */
import * as v from "valibot";
import { builderImage } from "./builder-image.ts";
import { count, id, jwt, line, userKey, userName, version } from "./fields.ts";

/** cb-admin makes the user's key pair; the seed is only in the credential file that it prints. */
export const addUserRequest = v.object({ v: version, name: userName, publicKey: userKey });
export const addUserReply = v.object({ v: version, jwt });

const user = v.object({
  name: userName,
  publicKey: userKey,
  createdAtMs: count,
  /** From then on the queue refuses the user's reservations. */
  revokedAtMs: v.optional(count),
  /** From then on NATS refuses the user's key too. */
  natsRevokedAtMs: v.optional(count),
  /** The user's newest credential was issued then; absent: at `createdAtMs`. */
  renewedAtMs: v.optional(count),
});
export type UserEntry = v.InferOutput<typeof user>;

export const usersRequest = v.object({ v: version });
export const usersReply = v.object({ v: version, users: v.array(user) });
export type UsersReply = v.InferOutput<typeof usersReply>;

/** May be repeated. `revokedKey`: NATS now refuses this key; the queue then replies when the user's builds have ended. */
export const revokeUserRequest = v.object({ v: version, name: userName, revokedKey: v.optional(userKey) });
export const revokeUserReply = v.object({
  v: version,
  /** cb-admin must make NATS refuse every JWT that was issued for this key until `revokedAtMs`. */
  publicKey: userKey,
  revokedAtMs: count,
  /** Number of the user's builds that waited or ran when the queue received the request. */
  builds: count,
});

/** The most console lines of one builder. For more, an operator uses the provider's tools. */
export const CONSOLE_LINES_MAX = 1000;

export const buildersRequest = v.object({
  v: version,
  /** How many of each machine's newest console lines to return. */
  consoleLines: v.pipe(count, v.maxValue(CONSOLE_LINES_MAX)),
});

/** A machine's newest console lines, or the reason why they are missing. */
const consoleOutput = { console: v.array(line), consoleProblem: v.optional(line) };

/** A machine of a pool, with the ids and states of the provider and of the records. For display only. */
const builder = v.object({
  id: line,
  /** A state of a builder; or `held`; or `other generation`: of another generation of records; or `unknown`: of this generation, but without a record. */
  state: line,
  /** The machine's state at the provider; `none` when the provider does not list it. */
  machine: line,
  sinceMs: count,
  reason: line,
  /** The provider's message for a machine in its error state. */
  fault: v.optional(line),
  host: line,
  build: v.optional(line),
  /** Present while an operator holds it. A builder without a running build has the state `held` then. */
  held: v.optional(v.object({ operator: line, reason: line, untilMs: count })),
  /** As reported by the builder. Absent before its first request, or if its image has no description. */
  builderImage: v.optional(builderImage),
  ...consoleOutput,
});
export type AdminBuilder = v.InferOutput<typeof builder>;

const failure = v.object({ id: line, atMs: count, reason: line, console: v.array(line) });
export type AdminFailure = v.InferOutput<typeof failure>;

export const buildersReply = v.object({
  v: version,
  nowMs: count,
  pools: v.array(
    v.object({
      name: line,
      /** Why the provider's listing is incomplete; empty when it is complete. */
      problem: line,
      /** Present while an operator has drained the pool. */
      drained: v.optional(v.object({ operator: line, reason: line, atMs: count })),
      builders: v.array(builder),
      /** Builders that failed since the queue was started, the newest first. */
      failures: v.array(failure),
    }),
  ),
});
export type BuildersReply = v.InferOutput<typeof buildersReply>;

export const destroyRequest = v.object({ v: version, builder: id });
export const destroyReply = v.object({ v: version, pool: line });

/** A reply lists this many builds: 300 kB. A request with as many ids has 40 kB, below its limit of 64 KiB. */
export const UNRECORDED_BUILDS_MAX = 1000;

const unrecordedBuild = v.object({
  build: id,
  /** Of log, states, context and image. */
  bytes: count,
  createdAtMs: count,
  /** Why a stream could not be examined; empty when all were. */
  problem: line,
});
export type UnrecordedBuild = v.InferOutput<typeof unrecordedBuild>;

export const streamsRequest = v.object({ v: version });
export const streamsReply = v.object({
  v: version,
  nowMs: count,
  /** Number of all builds that have streams with content and no record. */
  total: count,
  /** The first UNRECORDED_BUILDS_MAX of them, the oldest first. */
  builds: v.array(unrecordedBuild),
});
export type StreamsReply = v.InferOutput<typeof streamsReply>;

export const deleteStreamsRequest = v.object({
  v: version,
  builds: v.pipe(v.array(id), v.minLength(1), v.maxLength(UNRECORDED_BUILDS_MAX)),
});
/** `builds`: the number of builds that had streams. */
export const deleteStreamsReply = v.object({ v: version, builds: count, bytes: count });

export const planRequest = v.object({ v: version });
export const planReply = v.object({
  v: version,
  nowMs: count,
  pools: v.array(
    v.object({
      name: line,
      /** For display. `what` is for example "create in slot 2". */
      actions: v.array(v.object({ what: line, reason: line })),
      /** Why the reserve is not at its target; empty when it is. */
      reason: line,
      nextPassAtMs: count,
    }),
  ),
});
export type PlanReply = v.InferOutput<typeof planReply>;

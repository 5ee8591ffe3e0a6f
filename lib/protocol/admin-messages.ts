/** `admin.<verb>.<operator>`: what cb-admin asks the queue. All times are the queue's. */
import * as v from "valibot";
import { builderImage } from "./builder-image.ts";
import { count, id, jwt, line, userKey, userName, version } from "./fields.ts";

/** The operator's program makes the key pair: the seed is where the credential file is written, and nowhere else. */
export const addUserRequest = v.object({ v: version, name: userName, publicKey: userKey });
export const addUserReply = v.object({ v: version, jwt });

const user = v.object({
  name: userName,
  publicKey: userKey,
  createdAtMs: count,
  /** From then on the queue serves it no longer. */
  revokedAtMs: v.optional(count),
  /** From then on NATS refuses its key, too. */
  natsRevokedAtMs: v.optional(count),
});
export type UserEntry = v.InferOutput<typeof user>;

export const usersRequest = v.object({ v: version });
export const usersReply = v.object({ v: version, users: v.array(user) });
export type UsersReply = v.InferOutput<typeof usersReply>;

/** Safe to repeat. `revokedKey`: NATS refuses this key by now; the queue then replies when the builds have ended. */
export const revokeUserRequest = v.object({ v: version, name: userName, revokedKey: v.optional(userKey) });
export const revokeUserReply = v.object({
  v: version,
  /** NATS is to refuse what was issued for this key up to `revokedAtMs`. */
  publicKey: userKey,
  revokedAtMs: count,
  /** Builds that waited or ran when it was asked. */
  builds: count,
});

/** More lines of one builder are for the provider's own tools. */
export const CONSOLE_LINES_MAX = 1000;

export const buildersRequest = v.object({
  v: version,
  /** The newest lines that each machine printed. */
  consoleLines: v.pipe(count, v.maxValue(CONSOLE_LINES_MAX)),
});

/** What a machine printed, or why that is not known. */
const printed = { console: v.array(line), consoleProblem: v.optional(line) };

/** Ids and states as the provider and the records have them, for people. */
const builder = v.object({
  id: line,
  /** A state of a builder; `foreign`: of another generation of records; `unknown`: ours, and in no record. */
  state: line,
  /** As the provider lists it; `none` when it does not. */
  machine: line,
  sinceMs: count,
  reason: line,
  /** What the provider says of a machine in error. */
  fault: v.optional(line),
  host: line,
  build: v.optional(line),
  /** As the builder says; absent until it has asked, and where its image does not say. */
  builderImage: v.optional(builderImage),
  ...printed,
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
      /** Why the provider could not be listed in full; empty when it was. */
      problem: line,
      builders: v.array(builder),
      /** Builders that did not do what they were made for, since the queue was started; the newest first. */
      failures: v.array(failure),
    }),
  ),
});
export type BuildersReply = v.InferOutput<typeof buildersReply>;

export const destroyRequest = v.object({ v: version, builder: id });
export const destroyReply = v.object({ v: version, pool: line });

export const planRequest = v.object({ v: version });
export const planReply = v.object({
  v: version,
  nowMs: count,
  pools: v.array(
    v.object({
      name: line,
      /** In words for people: "create in slot 2". */
      actions: v.array(v.object({ what: line, reason: line })),
      /** Why the reserve is not at its target; empty when it is. */
      reason: line,
      nextPassAtMs: count,
    }),
  ),
});
export type PlanReply = v.InferOutput<typeof planReply>;

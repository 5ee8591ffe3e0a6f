/** `admin.list-builds.<operator>` lists the builds of all users, and `admin.cancel-build.<operator>` cancels one. */
import * as v from "valibot";
import { buildEntry } from "./builds-messages.ts";
import { count, id, line, userName, version } from "./fields.ts";

/** A reply lists this many builds. Each takes at most 3 kB, so that the reply stays below its limit of 4 MiB. */
export const ADMIN_BUILDS_MAX = 1000;
/** A longer reason is clipped, for the same bound. */
export const ADMIN_REASON_MAX_CHARS = 300;

export const adminBuildsRequest = v.object({
  v: version,
  /** Only builds of this user. */
  user: v.optional(userName),
  /** Only builds in one of these states. */
  states: v.optional(v.pipe(v.array(buildEntry.entries.state), v.maxLength(buildEntry.entries.state.options.length))),
  /** Only builds with an id that begins with this. */
  prefix: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f-]{1,36}$/, "not the begin of an id"))),
  /** The newest of them. */
  last: v.pipe(count, v.minValue(1), v.maxValue(ADMIN_BUILDS_MAX)),
});
export type AdminBuildsRequest = v.InferOutput<typeof adminBuildsRequest>;

const adminBuild = v.object({
  ...buildEntry.entries,
  user: line,
  pool: line,
  /** While it is leased, and of the last attempt after that. */
  builder: v.optional(id),
});
export type AdminBuild = v.InferOutput<typeof adminBuild>;

/** Newest first. `total`: the number of builds that match, with those that were left out. */
export const adminBuildsReply = v.object({ v: version, nowMs: count, total: count, builds: v.array(adminBuild) });
export type AdminBuildsReply = v.InferOutput<typeof adminBuildsReply>;

/** `reason`: for the build's owner. */
export const adminCancelRequest = v.object({ v: version, build: id, reason: v.optional(line) });
/** `state`: how the build ended, which may be another end that came first. */
export const adminCancelReply = v.object({ v: version, user: line, state: line });

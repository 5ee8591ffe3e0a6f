/** `admin.drain-pool`, `admin.undrain-pool`, `admin.hold-builder`, `admin.release-builder`: what operators set for pools and builders. */
import * as v from "valibot";
import { count, id, line, version } from "./fields.ts";

const HOUR_MS = 3_600_000;
/** A working day has passed by then; a forgotten hold takes a slot of the pool for no longer. */
export const HOLD_DEFAULT_MS = 4 * HOUR_MS;
/** A longer look at a machine needs a copy of it. */
export const HOLD_MAX_MS = 7 * 24 * HOUR_MS;
/** A sentence. It is a part of the reason that each waiting build shows. */
const REASON_MAX_CHARS = 200;

const poolName = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "not the name of a pool"));
/** Empty: the operator gave none. */
const reason = v.optional(
  v.pipe(line, v.maxLength(REASON_MAX_CHARS, `longer than ${REASON_MAX_CHARS} characters`)),
  "",
);

/** May be repeated, with another reason. */
export const drainRequest = v.object({ v: version, pool: poolName, reason });
/** `leased`: builders with builds, which go on. `waiting`: builds that wait for this pool. */
export const drainReply = v.object({ v: version, leased: count, waiting: count });

export const undrainRequest = v.object({ v: version, pool: poolName });
export const undrainReply = v.object({ v: version });

/** May be repeated, with another time or reason. The hold ends `forMs` from now. */
export const holdRequest = v.object({
  v: version,
  builder: id,
  forMs: v.pipe(count, v.minValue(1), v.maxValue(HOLD_MAX_MS)),
  reason,
});
export const holdReply = v.object({ v: version, pool: line, untilMs: count });

export const releaseRequest = v.object({ v: version, builder: id });
export const releaseReply = v.object({ v: version, pool: line });

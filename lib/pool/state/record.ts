/**
 * The stored record of one builder. The provider's listing shows which machines exist; the record holds the purpose and
 * state of each. It contains everything that the planner needs, so that a restarted queue continues.
 */

import * as v from "valibot";
import { CbError } from "../../core/errors.ts";
import { builderImage } from "../../protocol/builder-image.ts";
import { id } from "../../protocol/fields.ts";

/**
 * `requested`: the create call is sent, but no listing has shown the machine. `booting`: the machine exists, but its
 * agent has sent no request. `ready`: its agent requests work, so it is in the reserve. `leased`: it belongs to a
 * build, so the pool never destroys it. `destroying`: it is being destroyed and still counts as existing. `gone`: the
 * listing confirms that the machine does not exist; the record will be removed.
 */
export const BUILDER_STATES = ["requested", "booting", "ready", "leased", "destroying", "gone"] as const;
export type BuilderState = (typeof BUILDER_STATES)[number];

/** Enough for a sentence and the message of a provider; a longer text is clipped. */
export const REASON_MAX_CHARS = 500;

const timeMs = v.pipe(v.number(), v.integer(), v.minValue(0));
const reason = v.pipe(v.string(), v.maxLength(REASON_MAX_CHARS));

/** A pool's name is one token of a KV key, and a value in a machine's metadata. */
const poolName = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,62}$/));

const hold = v.strictObject({
  operator: v.pipe(v.string(), v.maxLength(64)),
  reason,
  /** The end of the hold; the builder is destroyed then, unless a build runs on it. */
  untilMs: timeMs,
});
/** An operator keeps the builder, for a look at it. */
export type Hold = Readonly<v.InferOutput<typeof hold>>;

const builderRecordSchema = v.strictObject({
  v: v.literal(1),
  builder: id,
  pool: poolName,
  /** Id of its one create call. */
  attempt: id,
  slot: v.pipe(v.number(), v.integer(), v.minValue(0)),
  state: v.picklist(BUILDER_STATES),
  /** When it entered this state. */
  sinceMs: timeMs,
  createdAtMs: timeMs,
  /** Why it is in this state, a sentence for people. */
  reason,
  /** Name or address for people; empty while it has none. */
  host: v.pipe(v.string(), v.maxLength(255)),
  /**
   * A listing has shown the machine, or its agent has sent a request, so the create can bring up no further machine.
   */
  seen: v.boolean(),
  /** Error of the create call. Only the listing shows whether a machine was created all the same. */
  createError: v.exactOptional(reason),
  /** The provider refused the create, so no machine can appear. */
  refused: v.exactOptional(v.literal(true)),
  /** The build that it is or was leased to. */
  build: v.exactOptional(id),
  /** It gets no lease, and its machine is not destroyed. Absent after an operator has released it. */
  held: v.exactOptional(hold),
  /** As reported by its agent. */
  builderImage: v.exactOptional(builderImage),
});

export type BuilderRecord = Readonly<v.InferOutput<typeof builderRecordSchema>>;

/** False once the builder has been given up. */
export function isInService({ state }: BuilderRecord): boolean {
  return state !== "destroying" && state !== "gone";
}

export function isHeld({ held }: BuilderRecord, nowMs: number): boolean {
  return held !== undefined && nowMs < held.untilMs;
}

const claimSchema = v.strictObject({ v: v.literal(1), builder: id, attempt: id, claimedAtMs: timeMs });

/** The builder that holds a slot. */
export type SlotClaim = Readonly<v.InferOutput<typeof claimSchema>>;

/**
 * Throws CbError "config" on an invalid record. Without the record a leased machine could be destroyed as unrecorded.
 */
export function parseRecord(text: string, key: string): BuilderRecord {
  return parse(builderRecordSchema, text, key);
}

/** Throws CbError "config" on an invalid claim. */
export function parseClaim(text: string, key: string): SlotClaim {
  return parse(claimSchema, text, key);
}

function parse<S extends v.GenericSchema>(schema: S, text: string, key: string): v.InferOutput<S> {
  const hint = `was it written by a newer version, or by hand? Read it with "nats kv get", and remove it if its machine is gone`;
  try {
    return v.parse(schema, JSON.parse(text));
  } catch (cause) {
    throw new CbError("config", `the record ${key} cannot be read: ${String(cause).slice(0, 200)}`, { hint, cause });
  }
}

/**
 * What the queue knows of one builder, as it lies in the records. The provider's listing says what exists; the record
 * says what we wanted with it. Everything the plan decides by survives in it, so that a queue that restarts goes on.
 */

import * as v from "valibot";
import { CbError } from "../../core/errors.ts";
import { builderImage } from "../../protocol/builder-image.ts";
import { id } from "../../protocol/fields.ts";

/**
 * `requested`: the create is written down and sent, no listing has shown the machine. `booting`: it exists, its agent has
 * not asked yet. `ready`: its agent asks, it is in the reserve. `leased`: given to a build; the pool never destroys it.
 * `destroying`: on its way out, still counts as existing. `gone`: confirmed; the record is about to be removed.
 */
export const BUILDER_STATES = ["requested", "booting", "ready", "leased", "destroying", "gone"] as const;
export type BuilderState = (typeof BUILDER_STATES)[number];

/** Room for a sentence and what a provider adds to it; a longer one is clipped. */
export const REASON_MAX_CHARS = 500;

const timeMs = v.pipe(v.number(), v.integer(), v.minValue(0));
const reason = v.pipe(v.string(), v.maxLength(REASON_MAX_CHARS));

/** A pool's name is one token of a KV key, and of a machine's metadata. */
const poolName = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,62}$/));

const builderRecordSchema = v.strictObject({
  v: v.literal(1),
  builder: id,
  pool: poolName,
  /** Of its one create call. */
  attempt: id,
  slot: v.pipe(v.number(), v.integer(), v.minValue(0)),
  state: v.picklist(BUILDER_STATES),
  /** In this state since. */
  sinceMs: timeMs,
  createdAtMs: timeMs,
  /** Why it is in this state: a sentence for people. */
  reason,
  /** Name or address for people to read; empty while it has none. */
  host: v.pipe(v.string(), v.maxLength(255)),
  /** A listing has shown the machine, or its agent has asked: the create is over and cannot bring up another. */
  seen: v.boolean(),
  /** The create call failed so; whether it left a machine behind only the listing says. */
  createError: v.exactOptional(reason),
  /** The provider refused the create, so that no machine can appear any more. */
  refused: v.exactOptional(v.literal(true)),
  /** The build it is leased to, or was. */
  build: v.exactOptional(id),
  /** As its agent says. */
  builderImage: v.exactOptional(builderImage),
});

export type BuilderRecord = Readonly<v.InferOutput<typeof builderRecordSchema>>;

const claimSchema = v.strictObject({ v: v.literal(1), builder: id, attempt: id, claimedAtMs: timeMs });

/** Who holds a slot. */
export type SlotClaim = Readonly<v.InferOutput<typeof claimSchema>>;

/** Throws CbError "config" on what is no record: going on without it could destroy a leased machine as unknown. */
export function parseRecord(text: string, key: string): BuilderRecord {
  return parse(builderRecordSchema, text, key);
}

/** Throws CbError "config" on what is no claim. */
export function parseClaim(text: string, key: string): SlotClaim {
  return parse(claimSchema, text, key);
}

function parse<S extends v.GenericSchema>(schema: S, text: string, key: string): v.InferOutput<S> {
  const hint = `written by a newer version, or by hand? Look at it with "nats kv get", and remove it if its machine is gone`;
  try {
    return v.parse(schema, JSON.parse(text));
  } catch (cause) {
    throw new CbError("config", `the record ${key} cannot be read: ${String(cause).slice(0, 200)}`, { hint, cause });
  }
}

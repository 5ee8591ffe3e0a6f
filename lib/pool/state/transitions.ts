/**
 * The closed table of a builder's life. Each function takes a record to its next state or throws CbError "bug"; nothing
 * else makes one. Who calls them has looked at the state first, and writes the result with the revision it looked at.
 */

import { CbError } from "../../core/errors.ts";
import type { BuilderImage } from "../../protocol/builder-image.ts";
import { type BuilderRecord, type BuilderState, REASON_MAX_CHARS } from "./record.ts";

const ALLOWED: Readonly<Record<BuilderState, readonly BuilderState[]>> = {
  requested: ["booting", "ready", "destroying"],
  booting: ["ready", "destroying"],
  ready: ["leased", "destroying"],
  leased: ["destroying"],
  destroying: ["gone"],
  gone: [],
};

export interface BuilderRequest {
  readonly builder: string;
  readonly attempt: string;
  readonly pool: string;
  readonly slot: number;
  readonly reason: string;
}

export function requested(request: BuilderRequest, nowMs: number): BuilderRecord {
  const fresh = { v: 1, state: "requested", host: "", seen: false, sinceMs: nowMs, createdAtMs: nowMs } as const;
  return { ...request, ...fresh, reason: clip(request.reason) };
}

/** The machine exists. */
export function booting(record: BuilderRecord, host: string, nowMs: number): BuilderRecord {
  return { ...moved(record, "booting", "the provider lists the machine", nowMs), host, seen: true };
}

/** Its agent has asked for work, and may have said what the builder was made of. */
export function ready(record: BuilderRecord, nowMs: number, builderImage?: BuilderImage): BuilderRecord {
  return {
    ...moved(record, "ready", "its agent asks for work", nowMs),
    seen: true,
    ...(builderImage && { builderImage }),
  };
}

export function leased(record: BuilderRecord, build: string, nowMs: number): BuilderRecord {
  return { ...moved(record, "leased", `leased to build ${build}`, nowMs), build };
}

/** The pool gives it up. Never a leased one: that is for `released`. */
export function markedForDestroy(record: BuilderRecord, reason: string, nowMs: number): BuilderRecord {
  if (record.state === "leased") throw forbidden(record, "destroying");
  return moved(record, "destroying", reason, nowMs);
}

/** The queue has no more use for it. */
export function released(record: BuilderRecord, reason: string, nowMs: number): BuilderRecord {
  return moved(record, "destroying", reason, nowMs);
}

export function gone(record: BuilderRecord, reason: string, nowMs: number): BuilderRecord {
  return moved(record, "gone", reason, nowMs);
}

/** Not a change of state: the create call failed; unless it was refused, a listing will say whether it left a machine. */
export function builderCreateFailed(record: BuilderRecord, error: string, refused: boolean): BuilderRecord {
  if (record.state !== "requested") throw forbidden(record, "requested");
  return { ...record, createError: clip(error), ...(refused && { refused }) };
}

/** Not a change of state: the machine's address became known, or another. */
export function hosted(record: BuilderRecord, host: string): BuilderRecord {
  return { ...record, host, seen: true };
}

function moved(record: BuilderRecord, state: BuilderState, reason: string, nowMs: number): BuilderRecord {
  if (!ALLOWED[record.state].includes(state)) throw forbidden(record, state);
  return { ...record, state, reason: clip(reason), sinceMs: nowMs };
}

function forbidden(record: BuilderRecord, state: BuilderState): CbError {
  return new CbError("bug", `builder ${record.builder} cannot go from ${record.state} to ${state}`);
}

function clip(text: string): string {
  return text.length <= REASON_MAX_CHARS ? text : `${text.slice(0, REASON_MAX_CHARS - 1)}…`;
}

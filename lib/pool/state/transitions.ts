/**
 * The state machine of a builder. Only these functions make records. Each returns the record in its next state, or
 * throws CbError "bug" if that transition is not allowed. The caller checks the state first, and writes the result with
 * the revision that it checked. Pure.
 */

import { CbError } from "../../core/errors.ts";
import type { BuilderImage } from "../../protocol/builder-image.ts";
import { type BuilderRecord, type BuilderState, type Hold, REASON_MAX_CHARS } from "./record.ts";

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

/** A listing shows the machine. */
export function booting(record: BuilderRecord, host: string, nowMs: number): BuilderRecord {
  return { ...moved(record, "booting", "the provider lists the machine", nowMs), host, seen: true };
}

/** The agent has requested work, and may have reported the builder image. */
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

/** The pool gives the builder up. Not allowed for a leased builder, which only the queue releases (`released`). */
export function markedForDestroy(record: BuilderRecord, reason: string, nowMs: number): BuilderRecord {
  if (record.state === "leased") throw forbidden(record, "destroying");
  return moved(record, "destroying", reason, nowMs);
}

/** The queue has no further use for the builder. */
export function released(record: BuilderRecord, reason: string, nowMs: number): BuilderRecord {
  return moved(record, "destroying", reason, nowMs);
}

export function gone(record: BuilderRecord, reason: string, nowMs: number): BuilderRecord {
  return moved(record, "gone", reason, nowMs);
}

/**
 * The create call failed; the state stays. Unless the provider refused, a listing will show whether a machine exists.
 */
export function builderCreateFailed(record: BuilderRecord, error: string, refused: boolean): BuilderRecord {
  if (record.state !== "requested") throw forbidden(record, "requested");
  return { ...record, createError: clip(error), ...(refused && { refused }) };
}

/** The address of the machine became known or changed; the state stays. */
export function hosted(record: BuilderRecord, host: string): BuilderRecord {
  return { ...record, host, seen: true };
}

/** An operator holds the builder, or holds it for longer; the state stays. */
export function held(record: BuilderRecord, hold: Hold): BuilderRecord {
  const isLeaving = record.state === "destroying" && record.held === undefined;
  if (isLeaving || record.state === "gone")
    throw new CbError("bug", `builder ${record.builder} cannot be held any more`);
  return { ...record, held: { ...hold, reason: clip(hold.reason) } };
}

/**
 * The operator has no further use for the builder. It goes, because an operator may have changed it and it serves no other build;
 * if a build runs on it, it goes at the end of that build.
 */
export function holdReleased(record: BuilderRecord, reason: string, nowMs: number): BuilderRecord {
  const { held: _, ...rest } = record;
  return rest.state === "leased" || !ALLOWED[rest.state].includes("destroying")
    ? rest
    : moved(rest, "destroying", reason, nowMs);
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

/** What may become of a build, decided here and nowhere else. A transition that makes no sense is a bug and throws. */
import type { FinalState } from "../../protocol/build-messages.ts";
import type { BuildRecord, Loss } from "./record.ts";

/** A waiting build is given a builder. */
export function buildLeased(record: BuildRecord, builder: string, nowMs: number): BuildRecord {
  if (record.state !== "waiting") throw new Error(`a build in state ${record.state} cannot be leased`);
  if (record.awaitsContext) throw new Error("a build whose context is not whole cannot be leased");
  return { ...record, state: "leased", attempt: record.attempt + 1, builder, leasedAtMs: nowMs };
}

/**
 * The builder will not finish the build, which waits again, at the place in the line that it had. Undefined when the
 * build is not this builder's any more.
 */
export function builderLost(record: BuildRecord, loss: Loss): BuildRecord | undefined {
  if (record.state !== "leased" || record.builder !== loss.builder) return undefined;
  const { builder: _builder, leasedAtMs: _leasedAtMs, ...rest } = record;
  return { ...rest, state: "waiting", loss };
}

/** The caller's files are whole. Undefined when that is known, or nobody waits for them any more. */
export function contextCame(record: BuildRecord): BuildRecord | undefined {
  if (record.state !== "waiting" || record.awaitsContext === undefined) return undefined;
  const { awaitsContext: _, ...rest } = record;
  return rest;
}

/** The build ends. Undefined when it has ended already: the first end is the one that counts. */
export function buildEnded(record: BuildRecord, final: FinalState, nowMs: number): BuildRecord | undefined {
  if (record.state === "ended") return undefined;
  return { ...record, state: "ended", final, endedAtMs: nowMs };
}

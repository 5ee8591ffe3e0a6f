/** The state transitions of a build, all of them. A transition that the state does not allow is a bug and throws. */
import type { FinalState } from "../../protocol/build-messages.ts";
import type { BuildRecord, Loss } from "./record.ts";

/** A waiting build is leased to a builder. `builderImage`: the id of the builder's image, if it has reported one. */
export function buildLeased(
  { builderImage: _before, ...record }: BuildRecord,
  builder: string,
  nowMs: number,
  builderImage?: string,
): BuildRecord {
  if (record.state !== "waiting") throw new Error(`a build in state ${record.state} cannot be leased`);
  if (record.awaitsContext) throw new Error("a build with an incomplete context cannot be leased");
  const image = builderImage === undefined ? {} : { builderImage };
  return { ...record, state: "leased", attempt: record.attempt + 1, builder, leasedAtMs: nowMs, ...image };
}

/**
 * The builder will not finish the build, which waits again at its old position. Undefined when the build is not leased to
 * this builder.
 */
export function builderLost(record: BuildRecord, loss: Loss): BuildRecord | undefined {
  if (record.state !== "leased" || record.builder !== loss.builder) return undefined;
  const { builder: _builder, leasedAtMs: _leasedAtMs, ...rest } = record;
  return { ...rest, state: "waiting", loss };
}

/** The upload of the context is complete. Undefined when that is recorded already, or the build does not wait for it. */
export function contextCompleted(record: BuildRecord): BuildRecord | undefined {
  if (record.state !== "waiting" || record.awaitsContext === undefined) return undefined;
  const { awaitsContext: _, ...rest } = record;
  return rest;
}

/** The build ends. Undefined when it has ended already: the first recorded end counts. */
export function buildEnded(record: BuildRecord, final: FinalState, nowMs: number): BuildRecord | undefined {
  if (record.state === "ended") return undefined;
  return { ...record, state: "ended", final, endedAtMs: nowMs };
}

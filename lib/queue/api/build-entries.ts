/** The records of builds as users and operators see them. Pure. */
import type { BuildEntry } from "../../protocol/builds-messages.ts";
import type { Explanation } from "../builds/explain.ts";
import type { BuildRecord } from "../builds/record.ts";
import { imageUntilMs, keepsImage } from "../retention/kept-images.ts";

export const newestFirst = (records: readonly BuildRecord[]): BuildRecord[] =>
  records.toSorted((a, b) => b.createdAtMs - a.createdAtMs);

/** Makes the entry of each build, with its explanation while it waits. */
export function buildEntries(
  explanations: readonly Explanation[],
  imageKeptMs: number,
): (record: BuildRecord) => BuildEntry {
  const waiting = new Map(explanations.map((explanation) => [explanation.build, explanation]));
  return (record) => ({ ...entryOf(record, imageKeptMs), ...waitingOf(waiting.get(record.build)) });
}

/** The state of the record, or of its end. */
export const stateOf = ({ state, final }: BuildRecord): BuildEntry["state"] =>
  state === "ended" ? (final?.state ?? "lost") : state;

function waitingOf(explanation: Explanation | undefined): Partial<BuildEntry> {
  if (explanation === undefined) return {};
  const { position, waiting, reason } = explanation;
  return { position, waiting, reason };
}

function entryOf(record: BuildRecord, imageKeptMs: number): BuildEntry {
  const { build, name, attempt, createdAtMs, leasedAtMs, endedAtMs, final } = record;
  return {
    build,
    name,
    state: stateOf(record),
    reason: reasonOf(record),
    attempt,
    createdAtMs,
    ...(leasedAtMs === undefined ? {} : { leasedAtMs }),
    ...(endedAtMs === undefined ? {} : { endedAtMs }),
    ...(final?.state === "succeeded" ? { imageBytes: final.bytes } : {}),
    ...(keepsImage(record) ? { imageUntilMs: imageUntilMs(record, imageKeptMs) } : {}),
  };
}

/** The reason of the end, or of the loss after which the build waits again. */
function reasonOf({ state, final, loss }: BuildRecord): string {
  if (final !== undefined) return "reason" in final ? final.reason : "";
  return state === "waiting" ? (loss?.reason ?? "") : "";
}

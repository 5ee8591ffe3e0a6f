/** The use of one user in one calendar month (UTC), and how the end of a build is added to it. Pure. */
import * as v from "valibot";
import { count, id } from "../../protocol/fields.ts";
import type { BuildRecord } from "../builds/record.ts";

export const usageRecord = v.object({
  v: v.literal(1),
  succeeded: count,
  failed: count,
  cancelled: count,
  lost: count,
  /** Time from the lease to the end. The time of a lost first attempt is not charged. */
  builderMs: count,
  imageBytes: count,
  /** The newest day with an end, as `2026-11-27`. */
  day: v.string(),
  /** Builds that ended on that day and had a builder. */
  dayBuilds: count,
  /**
   * Builds that are counted here, and have records that may not show it yet. The queue counts a build before it notes in the build's
   * record that everything after the end is done; if it is killed in between, the next one finds the build here and does not count it twice.
   */
  counting: v.array(id),
});
export type UsageRecord = v.InferOutput<typeof usageRecord>;

const NONE: Omit<UsageRecord, "day"> = {
  v: 1,
  succeeded: 0,
  failed: 0,
  cancelled: 0,
  lost: 0,
  builderMs: 0,
  imageBytes: 0,
  dayBuilds: 0,
  counting: [],
};

/** In UTC, as `2026-11` and `2026-11-27`. */
export const monthOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 7);
export const dayOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10);

/**
 * The use after the end of `build`; undefined when it is counted already. `isSettled`: the record of that build shows that everything
 * after its end is done, or is deleted.
 */
export function withBuild(
  before: UsageRecord | undefined,
  { build, final, leasedAtMs, createdAtMs, endedAtMs = createdAtMs }: BuildRecord,
  isSettled: (build: string) => boolean,
): UsageRecord | undefined {
  if (before?.counting.includes(build)) return undefined;
  const outcome = final?.state ?? "lost";
  const day = dayOf(endedAtMs);
  const base: UsageRecord = before ?? { ...NONE, day };
  const newest = day > base.day ? { ...base, day, dayBuilds: 0 } : base;
  return {
    ...newest,
    [outcome]: newest[outcome] + 1,
    builderMs: newest.builderMs + (leasedAtMs === undefined ? 0 : Math.max(0, endedAtMs - leasedAtMs)),
    imageBytes: newest.imageBytes + (final?.state === "succeeded" ? final.bytes : 0),
    dayBuilds: newest.dayBuilds + (leasedAtMs !== undefined && day === newest.day ? 1 : 0),
    counting: [...newest.counting.filter((counted) => !isSettled(counted)), build],
  };
}

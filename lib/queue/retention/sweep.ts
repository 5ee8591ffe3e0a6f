/** Builds that have waited, run or been kept for too long. Called again and again; each call does what is due. */

import type { Endings } from "../builds/endings.ts";
import type { BuildRecord } from "../builds/record.ts";
import type { QueuePorts } from "../ports.ts";

/** A record that cannot be dealt with is logged and keeps none of the others from being looked at. */
export async function sweep(ports: QueuePorts, endings: Endings): Promise<void> {
  const nowMs = ports.clock.nowMs();
  const surplus = surplusOf(ports.builds.all());
  for (const record of ports.builds.all()) {
    try {
      if (record.state === "ended") await sweepEnded(ports, endings, { record, nowMs, surplus });
      else await sweepLive(ports, endings, record, nowMs);
    } catch (error) {
      ports.log.error(
        { err: error, build: record.build },
        "a build could not be looked after; the next tick tries again",
      );
    }
  }
}

/** Ended builds that are remembered of one user; a loop of requests must not fill the records of all. */
const KEPT_PER_USER = 200;

/** The oldest ended builds of each user that are too many. */
function surplusOf(records: readonly BuildRecord[]): ReadonlySet<string> {
  const kept = new Map<string, number>();
  const surplus = new Set<string>();
  const ended = records.filter(({ state }) => state === "ended");
  for (const { build, user } of ended.toSorted((a, b) => (b.endedAtMs ?? 0) - (a.endedAtMs ?? 0))) {
    const count = (kept.get(user) ?? 0) + 1;
    kept.set(user, count);
    if (count > KEPT_PER_USER) surplus.add(build);
  }
  return surplus;
}

async function sweepLive(ports: QueuePorts, endings: Endings, record: BuildRecord, nowMs: number): Promise<void> {
  const { waitMs, buildMs } = ports.limits;
  // The time with the builder that was lost was no waiting.
  const waitsSinceMs = record.loss?.atMs ?? record.createdAtMs;
  if (record.state === "waiting" && nowMs - waitsSinceMs >= waitMs) {
    const reason = `it waited ${minutes(waitMs)} for a builder, the longest that is allowed here`;
    await endings.end(record.build, { v: 1, state: "lost", reason });
  }
  if (record.leasedAtMs !== undefined && nowMs - record.leasedAtMs >= buildMs + GRACE_MS) {
    const reason = `it ran for ${minutes(buildMs)}, the longest that is allowed here`;
    await endings.end(record.build, { v: 1, state: "failed", exitCode: 0, reason });
  }
}

/** The agent ends an overlong build itself; the queue steps in when it does not. */
const GRACE_MS = 60_000;

interface EndedSweep {
  readonly record: BuildRecord;
  readonly nowMs: number;
  readonly surplus: ReadonlySet<string>;
}

async function sweepEnded(ports: QueuePorts, endings: Endings, { record, nowMs, surplus }: EndedSweep): Promise<void> {
  const { imageKeptMs, recordKeptMs } = ports.limits;
  const ageMs = nowMs - (record.endedAtMs ?? record.createdAtMs);
  if (!record.announced) await endings.finish(record);
  if (!record.emptied && ageMs >= imageKeptMs) await endings.empty(record.build);
  else if (!record.emptied && record.received) await endings.emptyUnread(record.build);
  if (ageMs >= recordKeptMs || surplus.has(record.build)) {
    await ports.streams.deleteAll(record.build);
    await ports.builds.remove(record.build);
    ports.log.info({ build: record.build }, "build forgotten");
  }
}

const minutes = (ms: number): string => `${Math.round(ms / 60_000)} minutes`;

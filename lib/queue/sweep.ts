/** Builds that have waited, run or been kept for too long. Called again and again; each call does what is due. */
import type { BuildRecord } from "../build/record.ts";
import type { Endings } from "./endings.ts";
import type { QueuePorts } from "./ports.ts";

export async function sweep(ports: QueuePorts, endings: Endings): Promise<void> {
  const nowMs = ports.clock.nowMs();
  for (const record of ports.builds.all()) {
    if (record.state === "ended") await sweepEnded(ports, endings, record, nowMs);
    else await sweepLive(ports, endings, record, nowMs);
  }
}

async function sweepLive(ports: QueuePorts, endings: Endings, record: BuildRecord, nowMs: number): Promise<void> {
  const { waitMs, buildMs } = ports.limits;
  if (record.state === "waiting" && nowMs - record.createdAtMs >= waitMs) {
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

async function sweepEnded(ports: QueuePorts, endings: Endings, record: BuildRecord, nowMs: number): Promise<void> {
  const { imageKeptMs, recordKeptMs } = ports.limits;
  const ageMs = nowMs - (record.endedAtMs ?? record.createdAtMs);
  if (!record.announced) await endings.finish(record);
  if (!record.emptied && ageMs >= imageKeptMs) await endings.empty(record.build);
  if (ageMs >= recordKeptMs) {
    await ports.streams.deleteAll(record.build);
    await ports.builds.remove(record.build);
    ports.log.info({ build: record.build }, "build forgotten: its retention is over");
  }
}

const minutes = (ms: number): string => `${Math.round(ms / 60_000)} minutes`;

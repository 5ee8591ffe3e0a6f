/** When something that is known now will call for action without any event. */

import type { Machine } from "../../provider/provider.ts";
import type { BuilderRecord } from "../state/record.ts";
import type { Capacity } from "./capacity.ts";
import { bootDeadlineMs, type PlanInput, silenceDeadlineMs } from "./decide.ts";
import type { PassMemory } from "./observation.ts";

export interface Pending {
  readonly machines: ReadonlyMap<string, Machine>;
  readonly memory: PassMemory;
  readonly stock: Capacity;
}

/** The earliest of all deadlines to come, at most `relistMs` ahead. */
export function nextDeadlineMs(pending: Pending, look: PlanInput): number {
  const { observed: seen, policy, nowMs } = look;
  const { memory, stock } = pending;
  const recorded = new Set(seen.records.map(({ record }) => record.builder));
  const candidates = [
    ...seen.records.flatMap(({ record }) => deadlinesOf(record, look)),
    ...seen.slots
      .filter(({ builder }) => !recorded.has(builder))
      .map(({ claimedAtMs }) => claimedAtMs + policy.claimGraceMs),
    ...[...memory.suspects.values()].map((sinceMs) => sinceMs + policy.confirmMs),
    ...[...memory.destroyAskedMs.values()].map((askedMs) => askedMs + policy.destroyRetryMs),
    ...(memory.backoff.failures > 0 ? [memory.backoff.untilMs] : []),
    ...(stock.ready.length + stock.inFlight < stock.wanted && stock.freeSlots.length > 0
      ? [Math.max(nowMs + policy.pendingMs, memory.backoff.untilMs)]
      : []),
  ];
  return Math.min(nowMs + policy.relistMs, ...candidates.filter((atMs) => atMs > nowMs));
}

function deadlinesOf(record: BuilderRecord, look: PlanInput): number[] {
  const soonMs = look.nowMs + look.policy.pendingMs;
  switch (record.state) {
    case "requested":
      return [soonMs, bootDeadlineMs(record, look)];
    case "booting":
      return [bootDeadlineMs(record, look)];
    case "ready":
      return [silenceDeadlineMs(record, look), record.sinceMs + look.policy.maxReadyAgeMs];
    case "leased":
      return [silenceDeadlineMs(record, look)];
    case "destroying":
      // One that does not go for a day is not looked for every second of it.
      return [Math.max(soonMs, look.nowMs + Math.floor((look.nowMs - record.sinceMs) / 10))];
    case "gone":
      return [soonMs];
  }
}

/** Making what is missing, and taking away what is too many or too old. */

import type { Backoff } from "./backoff.ts";
import type { Capacity } from "./capacity.ts";
import type { PlanInput } from "./decide.ts";
import type { Action, StoredBuilder } from "./observation.ts";

export function planCreates(stock: Capacity, backoff: Backoff, look: PlanInput): Action[] {
  const { policy, nowMs } = look;
  if (nowMs < backoff.untilMs) return [];
  const renewal = stock.ready.some((stored) => isOld(stored, look)) ? 1 : 0;
  const missing = stock.wanted + renewal - stock.ready.length - stock.inFlight;
  const room = policy.totalMax - stock.existing;
  const allowed = allowedAtOnce(backoff, stock, policy.callsPerPass);
  const reason =
    stock.ready.length + stock.inFlight < stock.wanted ? belowTarget(stock) : "an old one is to be renewed";
  const count = Math.max(0, Math.min(missing, room, allowed));
  return stock.freeSlots.slice(0, count).map((slot) => ({ kind: "create", slot, reason }));
}

/** After repeated failures one machine at a time shows whether it works again; at a limit one request does. */
function allowedAtOnce({ failures, limit }: Backoff, stock: Capacity, most: number): number {
  if (limit !== undefined) return 1;
  return failures >= 2 ? 1 - stock.inFlight : most;
}

function belowTarget({ ready, inFlight, wanted }: Capacity): string {
  return `${ready.length} ready and ${inFlight} on their way, ${wanted} wanted`;
}

/**
 * The oldest go first, so that what was made to renew an old one drives it out. Where the maximum leaves no place for
 * that, an old one goes when all are ready and nobody waits: for one boot the reserve is short by one.
 */
export function planSurplus(stock: Capacity, look: PlanInput): Action[] {
  const { policy, observed: seen } = look;
  const allReady = stock.ready.length === stock.existing && stock.existing >= policy.totalMax && seen.waiting === 0;
  const [oldest] = stock.ready;
  const stuck = allReady && oldest !== undefined && isOld(oldest, look) ? 1 : 0;
  const count = Math.max(stock.ready.length - stock.wanted, stuck, 0);
  return stock.ready.slice(0, count).map((stored) => ({
    kind: "destroy",
    builder: stored.record.builder,
    revision: stored.revision,
    call: true,
    reason: isOld(stored, look) ? "it has been ready for too long and is renewed" : "more are ready than wanted",
    failure: false,
  }));
}

function isOld({ record }: StoredBuilder, { policy, nowMs }: PlanInput): boolean {
  return nowMs - record.sinceMs >= policy.maxReadyAgeMs;
}

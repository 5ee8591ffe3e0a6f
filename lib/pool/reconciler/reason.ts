/** The sentence for people who wait: why there is no builder for them yet. */

import type { Backoff } from "./backoff.ts";
import type { Capacity } from "./capacity.ts";
import type { PlanInput } from "./decide.ts";

/**
 * Empty while as many are ready as are wanted. It holds nothing that counts up or down with the time: each change of it
 * becomes a message in the stream of every waiting build, and those streams are bounded.
 */
export function reasonBelowTarget(stock: Capacity, backoff: Backoff, { policy, nowMs }: PlanInput): string {
  if (stock.ready.length >= stock.wanted) return "";
  if (backoff.limit === undefined && nowMs < backoff.untilMs) {
    return `a pause after ${backoff.failures} failures to make a builder, the last: ${backoff.reason}`;
  }
  const missing = stock.wanted - stock.ready.length;
  if (stock.inFlight >= missing) return `${builders(stock.inFlight)} booting`;
  if (backoff.limit !== undefined) {
    return `reserve ${stock.ready.length} of ${policy.reserveTarget}: ${backoff.reason}`;
  }
  if (stock.existing >= policy.totalMax) {
    // A create that failed may bring up a machine yet, so it holds its place for a while: that is not what they wait for.
    if (backoff.failures > 0 && stock.leaving > 0) {
      return `${builders(stock.leaving)} on the way out must be gone first; the last to fail: ${backoff.reason}`;
    }
    const unknown = stock.unrecorded === 0 ? "" : `, ${stock.unrecorded} of them not in our records`;
    return `the maximum of ${builders(policy.totalMax)} is reached (${stock.existing} exist${unknown})`;
  }
  return backoff.failures > 0 ? `one builder at a time after a failure: ${backoff.reason}` : "builders are being made";
}

function builders(count: number): string {
  return count === 1 ? "1 builder" : `${count} builders`;
}

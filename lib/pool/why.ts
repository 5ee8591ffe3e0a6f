/** The sentence for people who wait: why there is no builder for them yet. */

import type { Backoff } from "./backoff.ts";
import type { Look } from "./judge.ts";
import type { Stock } from "./stock.ts";

/** Empty while as many are ready as are wanted. */
export function whyBelowTarget(stock: Stock, backoff: Backoff, { policy, nowMs }: Look): string {
  if (stock.ready.length >= stock.wanted) return "";
  if (backoff.limit === undefined && nowMs < backoff.untilMs) {
    return `no new builders before ${timeOfDay(backoff.untilMs)} after ${backoff.failures} failures: ${backoff.reason}`;
  }
  const missing = stock.wanted - stock.ready.length;
  if (stock.inFlight >= missing) return `${builders(stock.inFlight)} booting`;
  if (backoff.limit !== undefined) {
    return `reserve ${stock.ready.length} of ${policy.reserveTarget}: ${backoff.reason}`;
  }
  if (stock.existing >= policy.totalMax) {
    const unknown = stock.strangers === 0 ? "" : `, ${stock.strangers} of them not in our records`;
    const failure = backoff.failures === 0 ? "" : `; the last to fail: ${backoff.reason}`;
    return `the maximum of ${builders(policy.totalMax)} is reached (${stock.existing} exist${unknown})${failure}`;
  }
  return backoff.failures > 0 ? `one builder at a time after a failure: ${backoff.reason}` : "builders are being made";
}

/** A time and not how long it is until then: each change of the sentence is a message to every caller who waits. */
function timeOfDay(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(11, 19)} UTC`;
}

function builders(count: number): string {
  return count === 1 ? "1 builder" : `${count} builders`;
}

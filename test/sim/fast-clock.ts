/** The system clock with sleeps shortened by a factor, for a simulated cloud beside real processes. */

import { type Clock, systemClock } from "../../lib/core/clock.ts";

export function fastClock(factor: number): Clock {
  return { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / factor, signal) };
}

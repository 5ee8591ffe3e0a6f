/** Polls for a condition that raises no event, as the end of a process that is not our child, up to a time limit. */
import { setTimeout as sleep } from "node:timers/promises";

/** A loaded machine may stall for seconds. After this limit the condition is taken as failed. */
const LIMIT_MS = 30_000;
const POLL_MS = 5;

/** Returns the first result of `check` that is neither false nor undefined. Throws when there is none within `limitMs`. */
export async function until<T>(
  condition: string,
  check: () => T | Promise<T>,
  limitMs = LIMIT_MS,
): Promise<Exclude<T, false | undefined>> {
  const giveUpAtMs = performance.now() + limitMs;
  for (;;) {
    const found = await check();
    if (found !== false && found !== undefined) return found as Exclude<T, false | undefined>;
    if (performance.now() > giveUpAtMs) throw new Error(`waited ${limitMs / 1000} s in vain: ${condition}`);
    await sleep(POLL_MS);
  }
}

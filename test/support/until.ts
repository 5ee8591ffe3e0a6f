/** For what raises no event, such as the end of a process that is not our child: looks again and again, within a bound. */
import { setTimeout as sleep } from "node:timers/promises";

/** A loaded machine may stand still for seconds; what takes longer than this does not come. */
const LIMIT_MS = 30_000;
const LOOK_AGAIN_MS = 5;

/** The first thing found that is neither false nor undefined. Throws when there is none within `limitMs`. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  limitMs = LIMIT_MS,
): Promise<Exclude<T, false | undefined>> {
  const giveUpAtMs = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== false && found !== undefined) return found as Exclude<T, false | undefined>;
    if (performance.now() > giveUpAtMs) throw new Error(`waited ${limitMs / 1000} s in vain: ${what}`);
    await sleep(LOOK_AGAIN_MS);
  }
}

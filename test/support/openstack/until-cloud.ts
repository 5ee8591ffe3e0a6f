/** As `until`, for what a cloud is asked: each look costs its API a tenth of a second of a core, which the work needs too. */
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../until.ts";

const LOOK_AGAIN_MS = 250;
/** Things of nova take seconds; on cores that others keep busy tens of seconds. */
const LIMIT_MS = 120_000;

export function untilCloud<T>(what: string, look: () => T | Promise<T>): Promise<Exclude<T, false | undefined>> {
  const slowly = async () => {
    const found = await look();
    if (found === false || found === undefined) await delay(LOOK_AGAIN_MS);
    return found;
  };
  return until(what, slowly, LIMIT_MS);
}

/** As `until`, for a cloud: polls less often, because a request costs a tenth of a second of a core that the cloud needs. */
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../until.ts";

const POLL_MS = 250;
/** nova takes seconds for a change, on loaded cores tens of seconds. */
const LIMIT_MS = 120_000;

export function untilCloud<T>(condition: string, poll: () => T | Promise<T>): Promise<Exclude<T, false | undefined>> {
  const pollSlowly = async () => {
    const found = await poll();
    if (found === false || found === undefined) await delay(POLL_MS);
    return found;
  };
  return until(condition, pollSlowly, LIMIT_MS);
}

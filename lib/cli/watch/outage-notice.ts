/** Tells the user about outages of NATS: one line at the begin and one at the end of each, however many readers notice it. */
import type { Steps } from "../terminal.ts";

/**
 * All readers of a build share the returned function. They call it with the milliseconds since NATS sent them a message, and with 0
 * when it answers again. The first answer ends the outage; a reader that has not tried again yet does not begin it anew.
 */
export function outageNotice(steps: Steps, nowMs = () => performance.now()): (silentMs: number) => void {
  let silentSinceMs: number | undefined;
  let answeredAtMs = Number.NEGATIVE_INFINITY;
  return (silentMs) => {
    const now = nowMs();
    if (silentMs > 0 && silentSinceMs === undefined && now - silentMs >= answeredAtMs) {
      silentSinceMs = now - silentMs;
      steps.print("NATS does not answer; waiting");
    } else if (silentMs === 0 && silentSinceMs !== undefined) {
      steps.print(`NATS answers again after ${Math.round((now - silentSinceMs) / 1000)} s`);
      silentSinceMs = undefined;
      answeredAtMs = now;
    }
  };
}

/** Tells the user about outages of NATS: one line at the begin and one at the end of each, however many readers notice it. */
import type { Steps } from "../terminal.ts";

const LINES = {
  silent: { begin: "NATS does not answer; waiting", end: "NATS answers again" },
  refused: { begin: "NATS stores no messages (is its disk full?); waiting", end: "NATS stores messages again" },
};

/**
 * All readers of a build share the returned function. They call it with the milliseconds since NATS sent them a message, and with 0
 * when it answers again. The first answer ends the outage; a reader that has not tried again yet does not begin it anew. An upload
 * also tells whether NATS refuses its messages.
 */
export function outageNotice(
  steps: Steps,
  nowMs = () => performance.now(),
): (silentMs: number, isRefused?: boolean) => void {
  let outage: { readonly sinceMs: number; readonly end: string } | undefined;
  let answeredAtMs = Number.NEGATIVE_INFINITY;
  return (silentMs, isRefused = false) => {
    const now = nowMs();
    if (silentMs > 0 && outage === undefined && now - silentMs >= answeredAtMs) {
      const { begin, end } = LINES[isRefused ? "refused" : "silent"];
      outage = { sinceMs: now - silentMs, end };
      steps.print(begin);
    } else if (silentMs === 0 && outage !== undefined) {
      steps.print(`${outage.end} after ${Math.round((now - outage.sinceMs) / 1000)} s`);
      outage = undefined;
      answeredAtMs = now;
    }
  };
}

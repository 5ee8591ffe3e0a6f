/** What is said while NATS is away from somebody who watches a build: once when it is missed, once when it is back. */
import type { Steps } from "../terminal.ts";

/** To be called with the milliseconds without an answer of NATS, 0 when it answers. */
export function waitingNote(steps: Steps): (silentMs: number) => void {
  let told = false;
  return (silentMs) => {
    if (silentMs > 0 && !told) steps.line("NATS does not answer; the build goes on, waiting for it");
    if (silentMs === 0 && told) steps.line("NATS answers again");
    told = silentMs > 0;
  };
}

/**
 * Signals, and what they mean for a build. Ctrl-C and SIGTERM cancel it: the person, or the batch system in their name,
 * wants it gone. A hang-up does not: the terminal is gone, and the build goes on.
 */

import { CbError } from "../core/errors.ts";

export type Interruption = "cancel" | "hangup";

const MEANING: Readonly<Record<string, Interruption>> = { SIGINT: "cancel", SIGTERM: "cancel", SIGHUP: "hangup" };

export class Interrupted extends CbError {
  readonly meaning: Interruption;

  constructor(meaning: Interruption) {
    super("cancelled", meaning === "cancel" ? "interrupted" : "the terminal was closed");
    this.name = "Interrupted";
    this.meaning = meaning;
  }
}

/** Aborted when the person wants no build any more, and not by a hang-up. */
export function cancelSignal(interrupted: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const look = () => {
    const reason: unknown = interrupted.reason;
    if (reason instanceof Interrupted && reason.meaning === "cancel") controller.abort(reason);
  };
  if (interrupted.aborted) look();
  else interrupted.addEventListener("abort", look, { once: true });
  return controller.signal;
}

/**
 * Aborted, with an Interrupted as its reason, by the first of these signals. A second Ctrl-C finds the default action
 * again, so that nobody is held by a cancel that hangs.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const [name, meaning] of Object.entries(MEANING)) {
    process.once(name, () => controller.abort(new Interrupted(meaning)));
  }
  return controller.signal;
}

/**
 * The effect of signals on a build. SIGINT (Ctrl-C) and SIGTERM (a batch system) cancel it. After SIGHUP, which means that the
 * terminal was closed, the build goes on.
 */
import { CbError } from "../core/errors.ts";
import { isIgnored } from "./ignored-signals.ts";
import { restoreTerminal } from "./standard-output.ts";

export type InterruptEffect = "cancel" | "hangup";

const EFFECTS: Readonly<Record<string, InterruptEffect>> = { SIGINT: "cancel", SIGTERM: "cancel", SIGHUP: "hangup" };

export class Interrupted extends CbError {
  readonly effect: InterruptEffect;

  constructor(effect: InterruptEffect) {
    super("cancelled", effect === "cancel" ? "interrupted" : "the terminal was closed");
    this.name = "Interrupted";
    this.effect = effect;
  }
}

/** Aborts with `interrupted`, but only if the effect is "cancel". */
export function cancelSignal(interrupted: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const onAbort = () => {
    const reason: unknown = interrupted.reason;
    if (reason instanceof Interrupted && reason.effect === "cancel") controller.abort(reason);
  };
  if (interrupted.aborted) onAbort();
  else interrupted.addEventListener("abort", onAbort, { once: true });
  return controller.signal;
}

/**
 * A signal that the first of these process signals aborts, with an Interrupted as the reason. A second one of the same name restores
 * the terminal and has its default action, so a second Ctrl-C ends a program that waits for its cancel. Signals that the caller
 * ignores have no effect.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const [name, effect] of Object.entries(EFFECTS)) {
    if (isIgnored(name)) continue;
    let isFirst = true;
    // One listener for both: without any, even for an instant, the signal would end the program with the terminal as the build left it.
    const onSignal = () => {
      if (isFirst) {
        isFirst = false;
        return controller.abort(new Interrupted(effect));
      }
      restoreTerminal();
      process.removeListener(name, onSignal);
      process.kill(process.pid, name);
    };
    process.on(name, onSignal);
  }
  return controller.signal;
}

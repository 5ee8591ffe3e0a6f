/** Bounds on work: how long one call may take, and how many are under way. */

import type { Clock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";

export interface CallLimit {
  readonly clock: Clock;
  readonly limitMs: number;
  /** Ends the call early: the whole is being stopped. */
  readonly signal: AbortSignal;
  /** What is done, for the message. */
  readonly what: string;
}

/**
 * The call's result, or CbError "infrastructure" when the time is up or the signal comes. The call gets a signal and
 * should end by it; nobody waits for one that does not.
 */
export async function limited<T>(limit: CallLimit, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const over = new AbortController();
  const ended = new AbortController();
  const stop = (): void => over.abort(new CbError("infrastructure", `${limit.what} was interrupted`));
  if (limit.signal.aborted) stop();
  limit.signal.addEventListener("abort", stop);
  const timer = limit.clock.sleep(limit.limitMs, ended.signal).then(() => {
    if (ended.signal.aborted) return;
    over.abort(new CbError("infrastructure", `${limit.what} took longer than ${limit.limitMs / 1000} s`));
  });
  const cut = new Promise<never>((_, reject) => {
    if (over.signal.aborted) return reject(over.signal.reason);
    over.signal.addEventListener("abort", () => reject(over.signal.reason));
  });
  try {
    return await Promise.race([cut, call(over.signal)]);
  } finally {
    limit.signal.removeEventListener("abort", stop);
    ended.abort();
    await timer;
  }
}

/** Runs `work` on each item, at most `atOnce` together, and waits for all. `work` must not throw. */
export async function eachAtMost<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}

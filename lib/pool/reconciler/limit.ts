/** Bounds on work: how long one call may take, and how many calls run at once. */

import { unlessAborted } from "../../core/abort.ts";
import type { Clock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";

export interface CallLimit {
  readonly clock: Clock;
  readonly limitMs: number;
  /** Aborts the call before its time is up. */
  readonly signal: AbortSignal;
  /** Names the call in error messages, as in "the listing". */
  readonly operation: string;
}

/**
 * Returns the result of the call. Throws CbError "infrastructure" after `limitMs` or when the signal is aborted, and
 * otherwise what the call throws. The call gets a signal that is aborted at the same time; one that ignores it runs on
 * unobserved.
 */
export async function withTimeLimit<T>(limit: CallLimit, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { clock, limitMs, signal, operation } = limit;
  const over = new AbortController();
  const settled = new AbortController();
  const interrupt = (): void => over.abort(new CbError("infrastructure", `${operation} was interrupted`));
  if (signal.aborted) interrupt();
  signal.addEventListener("abort", interrupt);
  const timer = clock.sleep(limitMs, settled.signal).then(() => {
    if (settled.signal.aborted) return;
    over.abort(new CbError("infrastructure", `${operation} took longer than ${limitMs / 1000} s`));
  });
  try {
    return await unlessAborted(call(over.signal), over.signal);
  } finally {
    signal.removeEventListener("abort", interrupt);
    settled.abort();
    await timer;
  }
}

/** Runs `work` on each item, at most `atOnce` at the same time, and waits for all. `work` must not throw. */
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

/** Work that is repeated while the queue runs, such as a reading of a value that changes slowly. */
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";

export interface Periodic {
  /** The log line of a failure, as in "the quotas cannot be read". */
  readonly failure: string;
  readonly everyMs: number;
  readonly work: (signal: AbortSignal) => Promise<void>;
}

export interface PeriodicOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Works at once and then every `everyMs`, until the signal is aborted. A failure is logged once, until it succeeds again. */
export async function repeat({ failure, everyMs, work }: Periodic, options: PeriodicOptions): Promise<void> {
  const { clock, log, signal } = options;
  let failing = false;
  while (!signal.aborted) {
    try {
      await work(signal);
      failing = false;
    } catch (error) {
      if (!failing && !signal.aborted) log.warn({ err: error }, `${failure}; the next try follows`);
      failing = true;
    }
    await clock.sleep(everyMs, signal);
  }
}

/**
 * Pauses for tests in which the elapsed time is the condition, one function for each reason. They do not wait for an effect: a
 * test awaits an event (recorder.ts) or polls (until.ts) for that.
 */
import { setTimeout as sleep } from "node:timers/promises";

/** An outage of a certain length, for behaviour that depends on the length alone, as on the duplicate window of a stream. */
export const outageOf = (ms: number): Promise<void> => sleep(ms);

/** Resolves after all callbacks that need no further I/O have run. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

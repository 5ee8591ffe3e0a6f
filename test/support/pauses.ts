/**
 * Pauses for tests in which the passing of time is itself the criterion, one name for each reason. None of them waits for
 * something to have happened: for that there are events (seen.ts) and looks (until.ts).
 */
import { setTimeout as sleep } from "node:timers/promises";

/** An outage of a certain length: what is tested is what its length alone decides, as whether a duplicate window is over. */
export const outageOf = (ms: number): Promise<void> => sleep(ms);

/** All that can happen without a word from outside has happened after this; it takes no time worth mentioning. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

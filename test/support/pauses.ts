/**
 * Pauses for tests in which the passing of time is itself the criterion, one name for each reason. None of them waits for
 * something to have happened: for that there are events (seen.ts) and looks (until.ts).
 */
import { setTimeout as sleep } from "node:timers/promises";

/** An outage of a certain length: what is tested is what its length alone decides, as whether a duplicate window is over. */
export const outageOf = (ms: number): Promise<void> => sleep(ms);

/** A taker that takes its time. A reader that holds more than its window would get ahead of its taker meanwhile. */
export const slowTaker = (): Promise<void> => sleep(100);

/** All that can happen without a word from outside has happened after this; it takes no time worth mentioning. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

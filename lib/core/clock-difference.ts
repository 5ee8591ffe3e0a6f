/** The difference between the clocks of two machines, from one request and its reply. */

/** Builds go on with clocks five minutes apart (docs/reliability.md). */
export const CLOCK_MAX_MS = 5 * 60_000;

export interface TimedReply {
  /** Both by this machine's clock. */
  readonly sentMs: number;
  readonly receivedMs: number;
  /** The other machine's clock, read between the two. */
  readonly remoteMs: number;
}

/** This machine's clock less the other's. Wrong by at most half the time that the reply took. */
export const clockDifferenceMs = ({ sentMs, receivedMs, remoteMs }: TimedReply): number =>
  Math.round((sentMs + receivedMs) / 2 - remoteMs);

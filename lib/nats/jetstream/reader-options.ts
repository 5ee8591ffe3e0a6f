/** The options of a StreamReader: the messages that it reads, and its callbacks. */
import type { PullWindow } from "./pull-consumer.ts";

export interface ReaderOptions extends Partial<PullWindow> {
  readonly stream: string;
  /** One subject, wildcards allowed; nats-server 2.9 supports no list of filters. */
  readonly filter: string;
  /** The first sequence to read. Default 1, the beginning. */
  readonly fromSeq?: number;
  /** Ends the iteration without an error. */
  readonly signal?: AbortSignal;
  /**
   * Called every second once NATS has been silent for `waitingAfterMs`, with the milliseconds since its last message, however often
   * the reader creates another consumer meanwhile; and with 0 when NATS has created one or sent a message again.
   */
  readonly onWaiting?: (silentMs: number) => void;
  /** Default 5 s: 2.5 heartbeats, the longest silence of a healthy cluster. */
  readonly waitingAfterMs?: number;
  /** Called each time NATS has created a consumer, so also after each outage. */
  readonly onOpened?: () => void;
}

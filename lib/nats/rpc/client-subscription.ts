/**
 * A subscription that NATS itself ends, after so many messages that it can do no harm: a door that shuts behind them.
 *
 * NATS has no limit on what a credential sends, and hands all of it over in the order in which it came. Worse: until a
 * request through a service import is answered, the server keeps a line for it in a list by reply subject, and takes it
 * out by moving all that follow. With a hundred thousand outstanding under one reply subject, nats-server 2.9 and 2.10
 * (`_checkForReverseEntry` in accounts.go) did little else, and nobody was answered for a minute. What comes to a door
 * that is shut finds no responder: the server refuses it at once, and keeps nothing of it.
 */
import type { Msg, NatsConnection, Subscription } from "nats";
import type { TokenBuckets } from "./token-buckets.ts";

/** Messages that one opening lets in; the next follows at half of them. Five hundred clients may ask at once. */
const CREDIT = 1024;
/**
 * The same while it is not known what comes. What the server has for one connection it keeps up to `max_pending`, and beyond
 * that it ends the connection, which is everybody's: of the largest messages, some credits of this size fit in.
 */
const CAUTIOUS_CREDIT = 2;
/** What comes through one opening, if all is as large as the largest that came through the one before. */
const OPENING_BYTES = 8 * 1024 * 1024;
/**
 * A message is large when a whole credit of its size would be a burden. Small ones use the credit up, which is exact: of what the
 * server hands out while it is told to stop, some messages are lost, and remembered for a minute as not answered.
 */
const LARGE_BYTES = 4096;
/** For so long it is opened with caution when its principal has asked for more than its share. */
const DISTRUSTED_MS = 600_000;

export interface ClientSubscriptionOptions {
  readonly nc: NatsConnection;
  readonly subject: string;
  /** The NATS queue group of the subscriptions: a message comes to one of a group. */
  readonly group: string;
  /** Whose share it is of which each message takes. It is opened only while that has room for what may come. */
  readonly principal: string;
  readonly buckets: TokenBuckets;
  /** After a lost connection it is opened with caution for as long as one whose principal has asked for too much. */
  readonly cautiousAfterReconnect?: boolean;
  /** `fits`: the share had room for it. */
  readonly onMessage: (message: Msg, fits: boolean) => void;
}

export class ClientSubscription {
  readonly #options: ClientSubscriptionOptions;
  /** Openings overlap, as the rest of one is left when the next begins. */
  readonly #subscriptions = new Set<Subscription>();
  #waiting: NodeJS.Timeout | undefined;
  #credit = 0;
  /** What the last opening let in; the next one twice as many, or the most. */
  #opening = CREDIT;
  /** Of a message since then. */
  #largestBytes = 0;
  #distrustedUntilMs = Number.NEGATIVE_INFINITY;

  /** Opens it. */
  constructor(options: ClientSubscriptionOptions) {
    this.#options = options;
    this.#open();
  }

  /** Shuts it. What is on its way is not heard. */
  drop(): void {
    this.stop();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#subscriptions.clear();
    this.#credit = 0;
  }

  /** If it waits to be opened, it is not. */
  stop(): void {
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
  }

  /** Shuts it. Resolves when everything that the server has sent was heard, which does not open it again. */
  async drain(): Promise<void> {
    this.stop();
    const left = [...this.#subscriptions].filter((one) => !one.isClosed());
    this.#subscriptions.clear();
    this.#credit = 0;
    await Promise.all(left.map((one) => one.drain()));
  }

  /** Opens one that was dropped with the connection. With caution: it may be what came through it that ended that. */
  openAgain(): void {
    this.#opening = CAUTIOUS_CREDIT / 2;
    if (this.#options.cautiousAfterReconnect) this.#distrust();
    this.#open();
  }

  /** At once, or as soon as the share has room for so many small questions as come in, or for one of `bytes`. */
  #open(bytes = 0): void {
    const { nc, subject, group, buckets: shares, principal } = this.#options;
    // Who leaves says so in another task than the one that a timer wakes.
    if (this.#waiting !== undefined || nc.isClosed() || nc.isDraining()) return;
    const { requestBytes: questionBytes } = shares.limit;
    const isDistrusted = performance.now() < this.#distrustedUntilMs;
    const mostByBytes = Math.max(CAUTIOUS_CREDIT, Math.floor(OPENING_BYTES / Math.max(1, this.#largestBytes)));
    const max = isDistrusted ? CAUTIOUS_CREDIT : Math.min(2 * this.#opening, CREDIT, mostByBytes);
    const waitMs = shares.untilAvailableMs(principal, Math.max(max * questionBytes, questionBytes + bytes));
    if (waitMs > 0) {
      this.#waiting = setTimeout(() => {
        this.#waiting = undefined;
        this.#open();
      }, waitMs);
      this.#waiting.unref();
      return;
    }
    const subscription = nc.subscribe(subject, {
      queue: group,
      max,
      callback: (error, message) => {
        if (error === null) this.#onMessage(message);
        if (subscription.getReceived() >= max) this.#subscriptions.delete(subscription);
      },
    });
    this.#subscriptions.add(subscription);
    this.#credit += max;
    this.#opening = max;
    this.#largestBytes = 0;
  }

  #onMessage(message: Msg): void {
    const { buckets: shares, principal, onMessage: hear } = this.#options;
    const bytes = message.data.length;
    const fits = shares.take(principal, bytes);
    this.#largestBytes = Math.max(this.#largestBytes, bytes);
    if (!fits) this.#distrust();
    if (!fits && bytes > LARGE_BYTES) this.#hold(bytes);
    else if (this.#credit > 0) {
      this.#credit -= 1;
      if (this.#credit <= this.#opening / 2) this.#open();
    }
    hear(message, fits);
  }

  #distrust(): void {
    this.#distrustedUntilMs = performance.now() + DISTRUSTED_MS;
  }

  /** The server counts messages, whatever their size: a whole credit of large ones is not waited for. */
  #hold(bytes: number): void {
    if (this.#subscriptions.size === 0) return;
    this.drain().catch(() => undefined);
    this.#open(bytes);
  }
}

/**
 * The subscription for one principal's requests. It has a message limit: nats-server ends each NATS subscription after so many
 * messages (`UNSUB <sid> <max>`), and the queue renews it while the principal keeps to its rate limit. So a flood reaches the
 * queue only up to that limit.
 *
 * The limit is needed because NATS does not limit how much a credential publishes, and delivers a connection's messages in the
 * order in which they arrive. In addition, until a request through a service import has its reply, the server keeps an entry for
 * it in a list by reply subject, and removing an entry moves all that follow. With a hundred thousand outstanding entries under
 * one reply subject, nats-server 2.9 and 2.10 (`_checkForReverseEntry` in accounts.go) did little else, and delivered no reply
 * for a minute. A request to a subject without a subscription has no responder: the server refuses it at once and keeps no entry.
 */
import type { Msg, NatsConnection, Subscription } from "nats";
import type { TokenBuckets } from "./token-buckets.ts";

/** The message limit of one NATS subscription, renewed at half of it. So five hundred clients of a user may send at once. */
const MESSAGE_LIMIT = 1024;
/**
 * The message limit while the principal is treated with caution. The server buffers up to `max_pending` (64 MiB) for a connection
 * and closes the connection beyond that, for all principals; a few times this limit of the largest messages fits.
 */
const CAUTIOUS_MESSAGE_LIMIT = 2;
/** One NATS subscription lets in this many bytes at most, if no message is larger than the largest since the last renewal. */
const SUBSCRIPTION_BYTES = 8 * 1024 * 1024;
/**
 * A message beyond the rate limit that is larger than this ends the NATS subscription at once, since MESSAGE_LIMIT of them would
 * be too many bytes. Smaller ones use up the message limit instead, which is exact: while an UNSUB is in flight, nats.js drops
 * the messages that still arrive, and the server remembers each of them for a minute as a request without a reply.
 */
const LARGE_MESSAGE_BYTES = 4096;
/** A principal that exceeded its rate limit is treated with caution for this long. */
const CAUTION_MS = 600_000;

export interface ClientSubscriptionOptions {
  readonly nc: NatsConnection;
  readonly subject: string;
  /** The NATS queue group. The server delivers a message to one subscription of the group. */
  readonly group: string;
  /** Names the bucket that each message is charged to. A renewal waits until that bucket holds enough for it. */
  readonly principal: string;
  readonly buckets: TokenBuckets;
  /** After a lost connection, use the cautious message limit for as long as after an exceeded rate limit. */
  readonly cautiousAfterReconnect?: boolean;
  /** `withinLimit` is false when the message exceeds the rate limit. */
  readonly onMessage: (message: Msg, withinLimit: boolean) => void;
}

export class ClientSubscription {
  readonly #options: ClientSubscriptionOptions;
  /** More than one while the last messages of a subscription arrive after its renewal. */
  readonly #subscriptions = new Set<Subscription>();
  #renewalTimer: NodeJS.Timeout | undefined;
  /** How many messages the server may still deliver, over all of `#subscriptions`. */
  #remainingMessages = 0;
  /** The message limit of the last renewal. The next renewal at most doubles it. */
  #lastLimit = MESSAGE_LIMIT;
  /** Of the messages since the last renewal. */
  #largestBytes = 0;
  #cautiousUntilMs = Number.NEGATIVE_INFINITY;

  /** Subscribes. */
  constructor(options: ClientSubscriptionOptions) {
    this.#options = options;
    this.#renew();
  }

  /** Unsubscribes. Messages in flight are dropped. */
  unsubscribe(): void {
    this.cancelRenewal();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#subscriptions.clear();
    this.#remainingMessages = 0;
  }

  /** Cancels a renewal that waits for the rate limit. */
  cancelRenewal(): void {
    clearTimeout(this.#renewalTimer);
    this.#renewalTimer = undefined;
  }

  /** Unsubscribes. Resolves when every message that the server has sent was received; none of them causes a renewal. */
  async drain(): Promise<void> {
    this.cancelRenewal();
    const open = [...this.#subscriptions].filter((subscription) => !subscription.isClosed());
    this.#subscriptions.clear();
    this.#remainingMessages = 0;
    await Promise.all(open.map((subscription) => subscription.drain()));
  }

  /** Subscribes after a reconnect, at first with the cautious limit: these messages may have ended the connection. */
  resubscribe(): void {
    this.#lastLimit = CAUTIOUS_MESSAGE_LIMIT / 2;
    if (this.#options.cautiousAfterReconnect) this.#beCautious();
    this.#renew();
  }

  /** Subscribes as soon as the bucket holds a limit of the smallest requests, and one request of `bytes`. */
  #renew(bytes = 0): void {
    const { nc, subject, group, buckets, principal } = this.#options;
    // The timer may fire between the close of a connection and the event that reports it.
    if (this.#renewalTimer !== undefined || nc.isClosed() || nc.isDraining()) return;
    const max = this.#nextLimit();
    const { requestBytes } = buckets.limit;
    const waitMs = buckets.untilAvailableMs(principal, Math.max(max * requestBytes, requestBytes + bytes));
    if (waitMs > 0) {
      this.#renewalTimer = setTimeout(() => {
        this.#renewalTimer = undefined;
        this.#renew();
      }, waitMs);
      this.#renewalTimer.unref();
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
    this.#remainingMessages += max;
    this.#lastLimit = max;
    this.#largestBytes = 0;
  }

  #nextLimit(): number {
    if (performance.now() < this.#cautiousUntilMs) return CAUTIOUS_MESSAGE_LIMIT;
    const limitByBytes = Math.floor(SUBSCRIPTION_BYTES / Math.max(1, this.#largestBytes));
    return Math.min(2 * this.#lastLimit, MESSAGE_LIMIT, Math.max(CAUTIOUS_MESSAGE_LIMIT, limitByBytes));
  }

  #onMessage(message: Msg): void {
    const { buckets, principal, onMessage } = this.#options;
    const bytes = message.data.length;
    const withinLimit = buckets.take(principal, bytes);
    this.#largestBytes = Math.max(this.#largestBytes, bytes);
    if (!withinLimit) this.#beCautious();
    if (!withinLimit && bytes > LARGE_MESSAGE_BYTES) this.#endAfterLargeMessage(bytes);
    else if (this.#remainingMessages > 0) {
      this.#remainingMessages -= 1;
      if (this.#remainingMessages <= this.#lastLimit / 2) this.#renew();
    }
    onMessage(message, withinLimit);
  }

  #beCautious(): void {
    this.#cautiousUntilMs = performance.now() + CAUTION_MS;
  }

  /** The server counts messages, not bytes, so large ones must not use up the whole message limit. */
  #endAfterLargeMessage(bytes: number): void {
    if (this.#subscriptions.size === 0) return;
    this.drain().catch(() => undefined);
    this.#renew(bytes);
  }
}

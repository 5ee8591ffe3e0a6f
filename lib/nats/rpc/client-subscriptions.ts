/**
 * Receives the requests of many principals. Each principal has its own subscription with a message limit, so a flood from one
 * principal cannot delay another.
 *
 * A principal without a subscription of its own is received on the catch-all subscription, which gets a copy of every other
 * principal's requests too. The two kinds are in NATS queue groups of different names, so the server delivers each message to both.
 */
import type { Msg, NatsConnection } from "nats";
import type { Principals } from "../../protocol/subjects.ts";
import { ConnectionWatch } from "../connection-watch.ts";
import { ClientSubscription } from "./client-subscription.ts";
import { PRINCIPAL_RATE_LIMIT, type RateLimit, TokenBuckets } from "./token-buckets.ts";

/** Subscriptions at once, each of 1 KiB of memory: enough for all users of a site, and for builders over time. */
const SUBSCRIPTIONS_MAX = 16_384;

export interface ClientSubscriptionsOptions {
  readonly nc: NatsConnection;
  readonly principals: Principals;
  readonly onMessage: (message: Msg) => void;
  /** For a message beyond its principal's rate limit: the callback must reply to it, and should not read it. */
  readonly onExcess: (message: Msg) => void;
}

/** A principal that has its own subscription. */
interface KnownPrincipal {
  readonly subscription: ClientSubscription;
  /** A message has arrived on `subscription`. Until then the copy on the catch-all subscription is the one that counts. */
  confirmed: boolean;
  /** Reply subjects of the last messages. The server makes them; both copies of a message have the same, in either order. */
  readonly replies: Set<string>;
}

/** The two copies arrive one after the other, or as far apart as the principal has connections that send at the same time. */
const REPLIES_MAX = 32;

/**
 * The limit of the catch-all subscription, which gets every principal's messages: each costs its bytes on the network once more,
 * and the parsing of its subject. A thousand small requests a second, and the recipes and files of a busy site.
 */
const CATCH_ALL_RATE_LIMIT: RateLimit = {
  requestBytes: 16 * 1024,
  burstBytes: 64 * 1024 * 1024,
  bytesPerS: 16 * 1024 * 1024,
};

export class ClientSubscriptions {
  readonly #options: ClientSubscriptionsOptions;
  readonly #buckets = new TokenBuckets(PRINCIPAL_RATE_LIMIT);
  /** By principal, the most recently received last. */
  readonly #known = new Map<string, KnownPrincipal>();
  readonly #catchAll: ClientSubscription;
  /** Copies on the catch-all subscription without a copy on the principal's own: by reply subject, in order of arrival. */
  readonly #unmatched = new Map<string, { readonly message: Msg; readonly round: number }>();
  #round = 0;
  #matching: Promise<void> | undefined;
  readonly #watch: ConnectionWatch;
  #closed = false;

  constructor(options: ClientSubscriptionsOptions) {
    this.#options = options;
    const { nc, principals } = options;
    this.#catchAll = new ClientSubscription({
      nc,
      subject: principals.all,
      group: "catch-all",
      principal: "all",
      buckets: new TokenBuckets(CATCH_ALL_RATE_LIMIT),
      // It carries the messages of all principals, so it cannot tell which of them exceeded the limit.
      cautiousAfterReconnect: true,
      onMessage: (message) => this.#onCatchAll(message),
    });
    this.#watch = new ConnectionWatch(nc, {
      // After a reconnect nats.js renews its subscriptions, but without their message limits: leave it none.
      disconnected: () => {
        this.#unmatched.clear();
        this.#forEachSubscription((subscription) => subscription.unsubscribe());
      },
      reconnected: () => this.#forEachSubscription((subscription) => subscription.resubscribe()),
      closed: () => this.#stop(),
    });
  }

  /**
   * Subscribes to a principal that has not sent a request yet. During a flood from another principal, one without a subscription
   * of its own may have to retry often. Does nothing if the principal has a subscription.
   */
  expect(principal: string): void {
    if (!this.#known.has(principal)) this.#add(principal);
  }

  /** Resolves when every message that the server had sent until now was received. */
  async close(): Promise<void> {
    const drained: Promise<void>[] = [];
    this.#watch.stop();
    this.#stop();
    this.#forEachSubscription((subscription) => drained.push(subscription.drain()));
    // A drain never settles if the connection is closed meanwhile.
    await Promise.race([Promise.all(drained), this.#options.nc.closed()]);
  }

  #stop(): void {
    this.#closed = true;
    this.#forEachSubscription((subscription) => subscription.cancelRenewal());
  }

  #forEachSubscription(change: (subscription: ClientSubscription) => void): void {
    change(this.#catchAll);
    for (const known of this.#known.values()) {
      known.confirmed = false;
      change(known.subscription);
    }
  }

  #onCatchAll(message: Msg): void {
    const principal = this.#options.principals.of(message.subject);
    const known = principal === undefined ? undefined : (this.#known.get(principal) ?? this.#add(principal));
    if (principal === undefined || known === undefined) {
      this.#options.onMessage(message);
    } else if (!known.confirmed) {
      if (isFirstCopy(known, message)) {
        this.#receive(principal, message, this.#buckets.take(principal, message.data.length));
      }
    } else if (message.reply && !known.replies.has(message.reply)) {
      this.#unmatched.set(message.reply, { message, round: this.#round });
      this.#matching ??= this.#refuseUnmatched();
    }
  }

  /**
   * Refuses each message that arrived when the subscription of its principal had used up its message limit. The server
   * sends both copies of a message one after the other, so a copy that is still missing after a ping does not exist. The message
   * needs a reply, because the server keeps an entry for each request without one. Two pings, because the message may have
   * arrived between the first ping and its pong.
   */
  async #refuseUnmatched(): Promise<void> {
    const { nc, onExcess } = this.#options;
    while (this.#unmatched.size > 0 && !nc.isClosed()) {
      const round = this.#round++;
      try {
        await nc.flush();
        await nc.flush();
      } catch {
        // The connection was lost, and the reply subjects with it.
        break;
      }
      for (const [reply, unmatched] of this.#unmatched) {
        if (unmatched.round > round) break;
        this.#unmatched.delete(reply);
        onExcess(unmatched.message);
      }
    }
    this.#matching = undefined;
  }

  #add(principal: string): KnownPrincipal | undefined {
    if (this.#closed) return undefined;
    const { nc, principals } = this.#options;
    const subscription = new ClientSubscription({
      nc,
      subject: principals.one(principal),
      group: "known",
      principal,
      buckets: this.#buckets,
      onMessage: (message, withinLimit) => {
        known.confirmed = true;
        if (message.reply) this.#unmatched.delete(message.reply);
        if (isFirstCopy(known, message)) this.#receive(principal, message, withinLimit);
      },
    });
    const known: KnownPrincipal = { subscription, confirmed: false, replies: new Set() };
    this.#known.set(principal, known);
    this.#dropExcessSubscription();
    return known;
  }

  /** Beyond the bound, the principal that was received longest ago loses its subscription. */
  #dropExcessSubscription(): void {
    if (this.#known.size <= SUBSCRIPTIONS_MAX) return;
    const [[principal, oldest] = []] = this.#known;
    if (principal === undefined) return;
    this.#known.delete(principal);
    oldest?.subscription.unsubscribe();
  }

  #receive(principal: string, message: Msg, withinLimit: boolean): void {
    const { onMessage, onExcess } = this.#options;
    if (withinLimit) onMessage(message);
    else onExcess(message);
    const known = this.#known.get(principal);
    if (known === undefined) return;
    this.#known.delete(principal);
    this.#known.set(principal, known);
  }
}

/** False for the second copy of a message. */
function isFirstCopy({ replies }: KnownPrincipal, { reply }: Msg): boolean {
  if (reply === undefined || reply === "") return true;
  if (replies.has(reply)) return false;
  replies.add(reply);
  const [oldest] = replies;
  if (replies.size > REPLIES_MAX && oldest !== undefined) replies.delete(oldest);
  return true;
}

/**
 * Hearing whoever may ask, each through a door of its own: who asks without end shuts it, and stands before nobody else.
 *
 * Whoever has no door yet is met among strangers, on a subscription to everybody's questions, which gets a copy of all
 * others too. The two are in NATS queue groups of different names, so that each gets every message.
 */
import type { Msg, NatsConnection } from "nats";
import type { Principals } from "../../protocol/subjects.ts";
import { ConnectionWatch } from "../connection-watch.ts";
import { ClientSubscription } from "./client-subscription.ts";
import { PRINCIPAL_RATE_LIMIT, type RateLimit, TokenBuckets } from "./token-buckets.ts";

/** Doors at once, each of 1 KiB: as many as there may be users, and room for builders that come and go. */
const DOORS_MAX = 16_384;

export interface ClientSubscriptionsOptions {
  readonly nc: NatsConnection;
  readonly principals: Principals;
  readonly onMessage: (message: Msg) => void;
  /** Beyond the principal's share: to be answered, and not to be looked at. */
  readonly onExcess: (message: Msg) => void;
}

/** An principal whose door was opened. */
interface Known {
  readonly door: ClientSubscription;
  /** A message has come through the door. Until then all that the principal sends is heard as a stranger's. */
  proven: boolean;
  /** The reply subjects of the last messages, which the server makes: the same for both copies, in whatever order they come. */
  readonly replies: Set<string>;
}

/** Copies come one after the other, or as far apart as an principal has connections that send at the same time. */
const REPLIES_MAX = 32;

/**
 * Of all strangers together, which is of all that everybody asks: each message costs the network its bytes once more, and the
 * queue a look at whose it is. A thousand small questions a second, and what a busy site's recipes and files take.
 */
const STRANGERS_SHARE: RateLimit = {
  requestBytes: 16 * 1024,
  burstBytes: 64 * 1024 * 1024,
  bytesPerS: 16 * 1024 * 1024,
};

export class ClientSubscriptions {
  readonly #hearing: ClientSubscriptionsOptions;
  readonly #shares = new TokenBuckets(PRINCIPAL_RATE_LIMIT);
  /** By principal, who was heard last at the end. */
  readonly #known = new Map<string, Known>();
  readonly #strangers: ClientSubscription;
  /** Copies of known principals' messages that have not come through a door, by reply subject, in the order in which they came. */
  readonly #unmatched = new Map<string, { readonly message: Msg; readonly round: number }>();
  #round = 0;
  #matching: Promise<void> | undefined;
  readonly #watch: ConnectionWatch;
  #closed = false;

  constructor(hearing: ClientSubscriptionsOptions) {
    this.#hearing = hearing;
    const { nc, principals } = hearing;
    this.#strangers = new ClientSubscription({
      nc,
      subject: principals.all,
      group: "strangers",
      principal: "everybody",
      buckets: new TokenBuckets(STRANGERS_SHARE),
      // Of all that everybody asks it cannot be told whose was too much.
      cautiousAfterReconnect: true,
      onMessage: (message) => this.#onStranger(message),
    });
    this.#watch = new ConnectionWatch(hearing.nc, {
      // What nats.js has it subscribes to again, and does not tell the server again how many messages it may send.
      disconnected: () => {
        this.#unmatched.clear();
        this.#all((door) => door.drop());
      },
      reconnected: () => this.#all((door) => door.openAgain()),
      closed: () => this.#end(),
    });
  }

  /** Opens the door of an principal who has not asked yet: while others flood, a stranger may have to ask often to be met. */
  expect(principal: string): void {
    if (!this.#known.has(principal)) this.#add(principal);
  }

  /** Resolves when everything that the server had sent by now was heard. */
  async close(): Promise<void> {
    const drained: Promise<void>[] = [];
    this.#watch.stop();
    this.#end();
    this.#all((door) => drained.push(door.drain()));
    // A drain that the end of the connection overtakes never ends.
    await Promise.race([Promise.all(drained), this.#hearing.nc.closed()]);
  }

  #end(): void {
    this.#closed = true;
    this.#all((door) => door.stop());
  }

  #all(change: (door: ClientSubscription) => void): void {
    change(this.#strangers);
    for (const known of this.#known.values()) {
      known.proven = false;
      change(known.door);
    }
  }

  #onStranger(message: Msg): void {
    const principal = this.#hearing.principals.of(message.subject);
    const known = principal === undefined ? undefined : (this.#known.get(principal) ?? this.#add(principal));
    if (principal === undefined || known === undefined) {
      this.#hearing.onMessage(message);
    } else if (!known.proven) {
      if (isFirst(known, message)) this.#hear(principal, message, this.#shares.take(principal, message.data.length));
    } else if (message.reply && !known.replies.has(message.reply)) {
      this.#unmatched.set(message.reply, { message, round: this.#round });
      this.#matching ??= this.#match();
    }
  }

  /**
   * The server sends both copies of a message one after the other, so that one whose door was shut is known by a ping. It must
   * be answered, as the server keeps what is not; a second ping, should the first one's answer have come in between.
   */
  async #match(): Promise<void> {
    const { nc, onExcess: tooMuch } = this.#hearing;
    while (this.#unmatched.size > 0 && !nc.isClosed()) {
      const round = this.#round++;
      try {
        await nc.flush();
        await nc.flush();
      } catch {
        // The connection was lost, and with it what would have been answered.
        break;
      }
      for (const [reply, { message, round: of }] of this.#unmatched) {
        if (of > round) break;
        this.#unmatched.delete(reply);
        tooMuch(message);
      }
    }
    this.#matching = undefined;
  }

  #add(principal: string): Known | undefined {
    if (this.#closed) return undefined;
    const { nc, principals } = this.#hearing;
    const door = new ClientSubscription({
      nc,
      subject: principals.one(principal),
      group: "known",
      principal,
      buckets: this.#shares,
      onMessage: (message, fits) => {
        known.proven = true;
        if (message.reply) this.#unmatched.delete(message.reply);
        if (isFirst(known, message)) this.#hear(principal, message, fits);
      },
    });
    const known: Known = { door, proven: false, replies: new Set() };
    this.#known.set(principal, known);
    const [[oldest, unused] = []] = this.#known;
    if (this.#known.size > DOORS_MAX && oldest !== undefined) {
      this.#known.delete(oldest);
      unused?.door.drop();
    }
    return known;
  }

  #hear(principal: string, message: Msg, fits: boolean): void {
    const { onMessage: hear, onExcess: tooMuch } = this.#hearing;
    if (fits) hear(message);
    else tooMuch(message);
    const known = this.#known.get(principal);
    if (known === undefined) return;
    this.#known.delete(principal);
    this.#known.set(principal, known);
  }
}

/** False for the second copy of a message. */
function isFirst({ replies }: Known, { reply }: Msg): boolean {
  if (reply === undefined || reply === "") return true;
  if (replies.has(reply)) return false;
  replies.add(reply);
  const [oldest] = replies;
  if (replies.size > REPLIES_MAX && oldest !== undefined) replies.delete(oldest);
  return true;
}

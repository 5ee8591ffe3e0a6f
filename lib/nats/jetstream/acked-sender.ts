/**
 * Sends the messages of one publisher to one stream, so that JetStream keeps their order and stores each once, and
 * reports the acknowledgements. The window is sent in rounds. A refusal of an earlier round is ignored, because a later
 * round repeats the message.
 */
import { createInbox, headers, type Msg, nuid, type Subscription } from "nats";
import * as v from "valibot";
import { type JetStreamAccess, parseJson, refusalIn } from "./api.ts";
import type { SentMessage } from "./send-window.ts";
import { ConnectionClosed, type Refusal } from "./stream-errors.ts";

export interface AckCallbacks {
  /** Message n is stored in that stream, in whichever round it was sent. */
  stored(n: number, seq: number, stream: string): void;
  /** Message n of the current round is not stored. */
  refused(n: number, refusal: Refusal): void;
}

const ackSchema = v.object({ stream: v.string(), seq: v.pipe(v.number(), v.integer(), v.minValue(1)) });
/** Stands for an empty reply: no stream listens on the subject now. */
const NO_RESPONDERS: Refusal = { code: 503, status: 503, text: "no responders" };

export class AckedSender {
  /** Unique to this sender, so that messages of other publishers are told apart. */
  readonly idPrefix = nuid.next();
  readonly #js: JetStreamAccess;
  readonly #callbacks: AckCallbacks;
  readonly #inbox: string;
  readonly #acks: Subscription;
  #round = 0;

  constructor(js: JetStreamAccess, callbacks: AckCallbacks) {
    this.#js = js;
    this.#callbacks = callbacks;
    this.#inbox = createInbox(js.inboxPrefix);
    this.#acks = js.nc.subscribe(`${this.#inbox}.*.*`, { callback: (error, msg) => error ?? this.#onReply(msg) });
  }

  get round(): number {
    return this.#round;
  }

  /**
   * Sends one message. JetStream refuses it if the message before it is neither acknowledged nor the last in the
   * stream. Throws ConnectionClosed.
   */
  send(entry: SentMessage, afterUnacknowledged: boolean): void {
    const header = headers();
    header.set("Nats-Msg-Id", `${this.idPrefix}.${entry.n}`);
    if (afterUnacknowledged) header.set("Nats-Expected-Last-Msg-Id", `${this.idPrefix}.${entry.n - 1}`);
    const reply = `${this.#inbox}.${this.#round}.${entry.n}`;
    try {
      this.#js.nc.publish(entry.subject, entry.data, { headers: header, reply });
    } catch (error) {
      throw new ConnectionClosed(error);
    }
  }

  /**
   * Sends all unacknowledged messages again, in a new round. Throws ConnectionClosed. Sends copies, because an acknowledgement of an
   * earlier round may arrive while a message waits for the socket, and the caller may then change its bytes.
   */
  sendAgain(entries: readonly SentMessage[]): void {
    this.#round += 1;
    entries.forEach((entry, index) => {
      this.send({ ...entry, data: Uint8Array.from(entry.data) }, index > 0);
    });
  }

  close(): void {
    if (!this.#js.nc.isClosed()) this.#acks.unsubscribe();
  }

  #onReply(msg: Msg): void {
    const [round, n] = msg.subject
      .slice(this.#inbox.length + 1)
      .split(".")
      .map(Number);
    if (round === undefined || n === undefined) return;
    const body = parseJson(msg.data);
    const ack = v.safeParse(ackSchema, body);
    if (ack.success) this.#callbacks.stored(n, ack.output.seq, ack.output.stream);
    else if (round === this.#round) this.#callbacks.refused(n, refusalIn(body) ?? NO_RESPONDERS);
  }
}

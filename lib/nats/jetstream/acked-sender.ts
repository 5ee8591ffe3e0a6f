/**
 * Sends messages of one writer to one stream so that JetStream keeps their order and takes each once, and tells what it
 * answers. The window is sent in rounds: a refusal of an earlier round was made good by a later one and means nothing.
 */
import { createInbox, headers, type Msg, nuid, type Subscription } from "nats";
import * as v from "valibot";
import { type JetStreamAccess, parseJson, refusalIn } from "./api.ts";
import type { SentMessage } from "./send-window.ts";
import { ConnectionClosed, type Refusal } from "./stream-errors.ts";

export interface AckCallbacks {
  /** Message n is stored in that stream, whichever round it went out in. */
  stored(n: number, seq: number, stream: string): void;
  /** Message n of this round is not stored. */
  refused(n: number, refusal: Refusal): void;
}

const ackSchema = v.object({ stream: v.string(), seq: v.pipe(v.number(), v.integer(), v.minValue(1)) });
/** An empty answer: nobody listens on the subject now. */
const NO_RESPONDERS: Refusal = { code: 503, status: 503, text: "no responders" };

export class AckedSender {
  /** Unique to this sender: no other writer's message is ever taken for ours. */
  readonly idPrefix = nuid.next();
  readonly #js: JetStreamAccess;
  readonly #answers: AckCallbacks;
  readonly #inbox: string;
  readonly #acks: Subscription;
  #round = 0;

  constructor(js: JetStreamAccess, answers: AckCallbacks) {
    this.#js = js;
    this.#answers = answers;
    this.#inbox = createInbox(js.inboxPrefix);
    this.#acks = js.nc.subscribe(`${this.#inbox}.*.*`, { callback: (error, msg) => error ?? this.#answered(msg) });
  }

  get round(): number {
    return this.#round;
  }

  /** Sends once; JetStream refuses it unless the message before it is the stream's last or is acknowledged. Throws ConnectionClosed. */
  send(entry: SentMessage, afterUnacknowledged: boolean): void {
    const head = headers();
    head.set("Nats-Msg-Id", `${this.idPrefix}.${entry.n}`);
    if (afterUnacknowledged) head.set("Nats-Expected-Last-Msg-Id", `${this.idPrefix}.${entry.n - 1}`);
    const reply = `${this.#inbox}.${this.#round}.${entry.n}`;
    try {
      this.#js.nc.publish(entry.subject, entry.data, { headers: head, reply });
    } catch (error) {
      throw new ConnectionClosed(error);
    }
  }

  /** Sends all that is unacknowledged, from the first. Throws ConnectionClosed. */
  sendAgain(entries: readonly SentMessage[]): void {
    this.#round += 1;
    entries.forEach((entry, index) => {
      this.send(entry, index > 0);
    });
  }

  close(): void {
    if (!this.#js.nc.isClosed()) this.#acks.unsubscribe();
  }

  #answered(msg: Msg): void {
    const [round, n] = msg.subject
      .slice(this.#inbox.length + 1)
      .split(".")
      .map(Number);
    if (round === undefined || n === undefined) return;
    const body = parseJson(msg.data);
    const ack = v.safeParse(ackSchema, body);
    if (ack.success) this.#answers.stored(n, ack.output.seq, ack.output.stream);
    else if (round === this.#round) this.#answers.refused(n, refusalIn(body) ?? NO_RESPONDERS);
  }
}

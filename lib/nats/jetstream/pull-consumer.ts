/**
 * One generation of a reader: an ephemeral pull consumer of ours, from its first pull until it is lost or closed. It never
 * repairs itself: when anything is missing (a message, a heartbeat, the consumer) it says `lost`, and the reader makes
 * the next one at the next sequence.
 */
import { createInbox, type Msg, type MsgHdrs, nanos, type Subscription } from "nats";
import { callApi, type JetStreamAccess } from "./api.ts";
import { messageSizeBytes, parseAckReply } from "./delivered.ts";

export interface StreamMessage {
  /** Sequence in the stream. */
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  /** When the server stored it. */
  readonly timestampMs: number;
  /** How many of the reader's messages were behind this one when the server sent it. */
  readonly pending: number;
}

export interface PullWindow {
  /** At most this much is asked for or waiting to be taken, counted as the server counts: subject, reply, headers, data. */
  readonly windowBytes: number;
  readonly windowMessages: number;
  /** The server says this often that it is there; silence of 2.5 times as long means lost. */
  readonly heartbeatMs: number;
}

/** A pull lives this long; the server then says how much of it was not used. It only bounds what a dead reader leaves. */
const PULL_EXPIRES_MS = 30_000;
/** Beyond the message itself the server counts subject and reply; ours are below 256 bytes each, headers below 3 KiB. */
const MESSAGE_OVERHEAD_BYTES = 4096;

/** A server that is well answers in milliseconds, and one that is not must not hold up who wants to end. */
export const DELETE_TIMEOUT_MS = 2_000;

/** Tries once; a consumer that could not be deleted ages out by its inactive_threshold. Never rejects. */
export async function deleteConsumer(js: JetStreamAccess, stream: string, name: string): Promise<void> {
  if (js.nc.isClosed()) return;
  await callApi(js, `CONSUMER.DELETE.${stream}.${name}`, {}, DELETE_TIMEOUT_MS).catch(() => undefined);
}

interface Pull {
  readonly subscription: Subscription;
  /** A pull that used up its bytes exactly ends without a word, so each is forgotten when its time is over. */
  readonly endsAtMs: number;
  messagesLeft: number;
  bytesLeft: number;
  delivered: number;
}

interface Queued {
  readonly message: StreamMessage;
  readonly sizeBytes: number;
}

export class PullConsumer {
  readonly #js: JetStreamAccess;
  readonly #stream: string;
  readonly #name: string;
  readonly #window: PullWindow;
  readonly #pulls = new Set<Pull>();
  readonly #queue: Queued[] = [];
  readonly #watchdog: NodeJS.Timeout;
  #pullBytes: number;
  #queuedBytes = 0;
  #peakBytes = 0;
  #lastConsumerSeq = 0;
  #heardAtMs = performance.now();
  #lost: string | undefined;
  #wake: (() => void) | undefined;

  /** `name` is a consumer that exists on the server and has delivered nothing yet. */
  constructor(js: JetStreamAccess, stream: string, name: string, window: PullWindow) {
    this.#js = js;
    this.#stream = stream;
    this.#name = name;
    this.#window = window;
    this.#pullBytes = Math.ceil(window.windowBytes / 2);
    this.#watchdog = setInterval(() => this.#checkHeartbeat(), window.heartbeatMs / 2);
    this.#refill();
  }

  /** Why nothing more comes; undefined while it lives. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /** How long the server has been silent though it owes us messages or heartbeats. */
  get silentMs(): number {
    return this.#pulls.size === 0 ? 0 : performance.now() - this.#heardAtMs;
  }

  /** The most bytes that ever waited to be taken. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** The subject on which it pulls: a refusal to publish there is final. */
  get pullSubject(): string {
    return `${this.#js.apiPrefix}.CONSUMER.MSG.NEXT.${this.#stream}.${this.#name}`;
  }

  /** The next message in order, as soon as there is one; undefined once it is lost and what had arrived is taken. */
  async next(): Promise<StreamMessage | undefined> {
    for (;;) {
      const queued = this.#queue.shift();
      if (queued !== undefined) {
        this.#queuedBytes -= queued.sizeBytes;
        this.#refill();
        return queued.message;
      }
      if (this.#lost !== undefined) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Stops pulling; `next` still gives what has arrived. */
  abandon(why: string): void {
    this.#lost ??= why;
    clearInterval(this.#watchdog);
    for (const pull of this.#pulls) this.#endPull(pull);
    this.#wake?.();
  }

  /** Stops, forgets what has arrived, and deletes the consumer. */
  async close(): Promise<void> {
    this.abandon("closed");
    this.#queue.length = 0;
    await deleteConsumer(this.#js, this.#stream, this.#name);
  }

  /** Asks for more as soon as half of the newest pull is used, if it fits into the window with what waits. */
  #refill(): void {
    if (this.#lost !== undefined || this.#js.nc.isClosed()) return;
    const batch = Math.max(1, Math.ceil(this.#window.windowMessages / 2));
    const asked = [...this.#pulls].reduce(
      (sum, pull) => ({ bytes: sum.bytes + pull.bytesLeft, messages: sum.messages + pull.messagesLeft }),
      { bytes: 0, messages: 0 },
    );
    if (this.#pulls.size > 0 && asked.bytes > this.#pullBytes / 2 && asked.messages > batch / 2) return;
    const roomBytes = Math.max(this.#window.windowBytes, 2 * this.#pullBytes) - asked.bytes - this.#queuedBytes;
    const roomMessages = this.#window.windowMessages - asked.messages - this.#queue.length;
    if (roomBytes >= this.#pullBytes && roomMessages >= batch) this.#pull(batch, this.#pullBytes);
  }

  #pull(batch: number, maxBytes: number): void {
    if (this.#pulls.size === 0) this.#heardAtMs = performance.now();
    const inbox = createInbox(this.#js.inboxPrefix);
    const pull: Pull = {
      subscription: this.#js.nc.subscribe(inbox, {
        callback: (error, msg) => {
          if (error !== null) this.abandon(error.message);
          else if (this.#lost === undefined) this.#receive(pull, msg);
        },
      }),
      endsAtMs: performance.now() + PULL_EXPIRES_MS + this.#window.heartbeatMs,
      messagesLeft: batch,
      bytesLeft: maxBytes,
      delivered: 0,
    };
    this.#pulls.add(pull);
    const request = {
      batch,
      max_bytes: maxBytes,
      expires: nanos(PULL_EXPIRES_MS),
      idle_heartbeat: nanos(this.#window.heartbeatMs),
    };
    this.#js.nc.publish(this.pullSubject, JSON.stringify(request), { reply: inbox });
  }

  #endPull(pull: Pull): void {
    this.#pulls.delete(pull);
    pull.subscription.unsubscribe();
  }

  #receive(pull: Pull, msg: Msg): void {
    this.#heardAtMs = performance.now();
    const status = msg.headers?.code ?? 0;
    if (status === 100) this.#heartbeat(msg);
    else if (status !== 0 && !msg.reply) this.#ended(pull, status, msg);
    else this.#message(pull, msg);
  }

  /** The last delivered message is named in every heartbeat: if it is not our last, one was lost on the way. */
  #heartbeat(msg: Msg): void {
    const delivered = Number(msg.headers?.get("Nats-Last-Consumer") ?? 0);
    if (delivered > this.#lastConsumerSeq) this.abandon("a message was lost");
  }

  /** The server ended a pull: 408 its time is over, 409 the next message does not fit or the consumer is gone, 503 nobody there. */
  #ended(pull: Pull, status: number, msg: Msg): void {
    const description = msg.headers?.description ?? "";
    const tooSmall = status === 409 && /maxbytes/i.test(description);
    if (status !== 408 && status !== 404 && !tooSmall) this.abandon(`${status} ${description}`);
    if (tooSmall && pull.delivered === 0) this.#growPull();
    this.#endPull(pull);
    this.#refill();
  }

  /** One message larger than half the window: the window grows to what this server can send at all, and no further. */
  #growPull(): void {
    const largest = (this.#js.nc.info?.max_payload ?? this.#pullBytes) + MESSAGE_OVERHEAD_BYTES;
    if (this.#pullBytes >= largest) this.abandon("a message is larger than the server's max_payload");
    this.#pullBytes = Math.min(this.#pullBytes * 2, largest);
  }

  #message(pull: Pull, msg: Msg): void {
    const position = parseAckReply(msg.reply ?? "");
    if (position?.consumerSeq !== this.#lastConsumerSeq + 1) {
      this.abandon("a message was lost");
      return;
    }
    this.#lastConsumerSeq = position.consumerSeq;
    const sizeBytes = messageSizeBytes(msg);
    pull.delivered += 1;
    pull.messagesLeft -= 1;
    pull.bytesLeft = Math.max(0, pull.bytesLeft - sizeBytes);
    if (pull.messagesLeft === 0) this.#endPull(pull);
    const { seq, timestampMs, pending } = position;
    const message = { seq, subject: msg.subject, data: msg.data, headers: msg.headers, timestampMs, pending };
    this.#queue.push({ message, sizeBytes });
    this.#queuedBytes += sizeBytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#queuedBytes);
    this.#wake?.();
    this.#refill();
  }

  #checkHeartbeat(): void {
    if (this.silentMs > 2.5 * this.#window.heartbeatMs) this.abandon("no heartbeat");
    for (const pull of this.#pulls) if (performance.now() > pull.endsAtMs) this.#endPull(pull);
    this.#refill();
  }
}

/**
 * One ephemeral pull consumer of a reader, from its first pull until it is lost or closed. It does not repair itself:
 * if a message, a heartbeat or the consumer is missing, it sets `lost`, and the reader creates another consumer at the
 * next sequence.
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
  /** How many messages for the reader followed this one when the server sent it. */
  readonly pending: number;
}

export interface PullWindow {
  /**
   * Bound on bytes that are requested or wait for the caller, counted as the server does: subject, reply, headers,
   * data.
   */
  readonly windowBytes: number;
  readonly windowMessages: number;
  /** Interval of the server's heartbeats; after 2.5 intervals of silence the consumer is lost. */
  readonly heartbeatMs: number;
}

/** Lifetime of a pull request. It only bounds how long the server keeps the pull of a reader that has ended. */
const PULL_EXPIRES_MS = 30_000;
/** The server also counts subject and reply (below 256 bytes each in this system) and headers (below 3 KiB). */
const MESSAGE_OVERHEAD_BYTES = 4096;

/** A healthy server replies within milliseconds; an unreachable one must not delay the end of the reader. */
export const DELETE_TIMEOUT_MS = 2_000;

/** Tries once; otherwise the server removes the consumer after its inactive_threshold. Never rejects. */
export async function deleteConsumer(js: JetStreamAccess, stream: string, name: string): Promise<void> {
  if (js.nc.isClosed()) return;
  await callApi(js, `CONSUMER.DELETE.${stream}.${name}`, {}, DELETE_TIMEOUT_MS).catch(() => undefined);
}

interface Pull {
  readonly subscription: Subscription;
  /**
   * The server does not report the end of a pull when its bytes are used up exactly, so each pull ends here at this time.
   */
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
  #receivedAtMs = performance.now();
  /** Set when the consumer is lost. */
  #silentSinceMs: number | undefined;
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

  /** Why no further message arrives; undefined while the consumer works. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /**
   * How long the server has been silent during a pull, in which it must send messages or heartbeats. Counts on after the consumer
   * is lost, so that an outage is measured from the last message on.
   */
  get silentMs(): number {
    const sinceMs = this.#silentSinceMs ?? (this.#pulls.size === 0 ? undefined : this.#receivedAtMs);
    return sinceMs === undefined ? 0 : performance.now() - sinceMs;
  }

  /** The highest number of bytes that waited for the caller. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** The subject of its pull requests; a missing permission for it is final. */
  get pullSubject(): string {
    return `${this.#js.apiPrefix}.CONSUMER.MSG.NEXT.${this.#stream}.${this.#name}`;
  }

  /**
   * Resolves with the next message in order, or with undefined once the consumer is lost and every received message was
   * taken.
   */
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

  /** Stops pulling; `next` still returns the received messages. */
  abandon(reason: string): void {
    this.#silentSinceMs ??= performance.now() - this.silentMs;
    this.#lost ??= reason;
    clearInterval(this.#watchdog);
    for (const pull of this.#pulls) this.#endPull(pull);
    this.#wake?.();
  }

  /** Stops pulling, drops the received messages, and deletes the consumer. */
  async close(): Promise<void> {
    this.abandon("closed");
    this.#queue.length = 0;
    await deleteConsumer(this.#js, this.#stream, this.#name);
  }

  /**
   * Sends another pull once half of the current one is used, if the window has space for it beside the waiting
   * messages.
   */
  #refill(): void {
    if (this.#lost !== undefined || this.#js.nc.isClosed()) return;
    const batch = Math.max(1, Math.ceil(this.#window.windowMessages / 2));
    const requested = [...this.#pulls].reduce(
      (sum, pull) => ({ bytes: sum.bytes + pull.bytesLeft, messages: sum.messages + pull.messagesLeft }),
      { bytes: 0, messages: 0 },
    );
    if (this.#pulls.size > 0 && requested.bytes > this.#pullBytes / 2 && requested.messages > batch / 2) return;
    const spaceBytes = Math.max(this.#window.windowBytes, 2 * this.#pullBytes) - requested.bytes - this.#queuedBytes;
    const spaceMessages = this.#window.windowMessages - requested.messages - this.#queue.length;
    if (spaceBytes >= this.#pullBytes && spaceMessages >= batch) this.#pull(batch, this.#pullBytes);
  }

  #pull(batch: number, maxBytes: number): void {
    if (this.#pulls.size === 0) this.#receivedAtMs = performance.now();
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
    this.#receivedAtMs = performance.now();
    const status = msg.headers?.code ?? 0;
    if (status === 100) this.#heartbeat(msg);
    else if (status !== 0 && !msg.reply) this.#ended(pull, status, msg);
    else this.#message(pull, msg);
  }

  /** Each heartbeat names the last delivered message. If it is newer than the last received one, a message was lost. */
  #heartbeat(msg: Msg): void {
    const delivered = Number(msg.headers?.get("Nats-Last-Consumer") ?? 0);
    if (delivered > this.#lastConsumerSeq) this.abandon("a message was lost");
  }

  /**
   * The server ended a pull: 408 it expired, 409 the next message does not fit or the consumer is deleted, 503 no
   * responder.
   */
  #ended(pull: Pull, status: number, msg: Msg): void {
    const description = msg.headers?.description ?? "";
    const isTooSmall = status === 409 && /maxbytes/i.test(description);
    if (status !== 408 && status !== 404 && !isTooSmall) this.abandon(`${status} ${description}`);
    if (isTooSmall && pull.delivered === 0) this.#growPull();
    this.#endPull(pull);
    this.#refill();
  }

  /**
   * A message is larger than half the window, so the pull grows, up to the largest message that the server can send.
   */
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

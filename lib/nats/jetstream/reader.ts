/**
 * Reads one stream in order from a sequence on, without end, through outages of servers and connections.
 *
 * The ordered consumer of nats.js stops for good if its consumer is lost silently. This reader creates an ephemeral
 * consumer, pulls with heartbeats, and creates another consumer at the next sequence if a message, a heartbeat, the
 * consumer or the connection is missing. It needs permission for CONSUMER.CREATE (with the filter in the subject),
 * MSG.NEXT and CONSUMER.DELETE of the stream, and for its inbox.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { nanos, nuid } from "nats";
import * as v from "valibot";
import { unlessAborted } from "../../core/abort.ts";
import type { CbError } from "../../core/errors.ts";
import { ConnectionWatch } from "../connection-watch.ts";
import { type ApiReply, callApi, type JetStreamAccess } from "./api.ts";
import {
  DELETE_TIMEOUT_MS,
  deleteConsumer,
  PullConsumer,
  type PullWindow,
  type StreamMessage,
} from "./pull-consumer.ts";
import type { ReaderOptions } from "./reader-options.ts";
import { ConnectionClosed, finalError, NotAllowed, type Refusal, StreamNotFound } from "./stream-errors.ts";

export type { StreamMessage } from "./pull-consumer.ts";
export type { ReaderOptions } from "./reader-options.ts";

/**
 * One pull is half of it. Well below the 64 MB at which the server closes a slow connection, because several readers
 * use one connection.
 */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Enough that a pull lasts for a round trip at a million short lines a second. */
const WINDOW_MESSAGES = 4096;
const HEARTBEAT_MS = 2_000;
/** The server removes a consumer after this time without a pull; long enough for a slow caller. */
const INACTIVE_MS = 60_000;
const RETRY_MS = { first: 100, longest: 2_000 };

const createdSchema = v.object({ name: v.string(), num_pending: v.number() });

export class StreamReader implements AsyncIterable<StreamMessage> {
  readonly #js: JetStreamAccess;
  readonly #options: ReaderOptions;
  readonly #window: PullWindow;
  readonly #end = new AbortController();
  #watch: ConnectionWatch | undefined;
  #consumer: PullConsumer | undefined;
  /** Aborts a call that creates a consumer. */
  #createCall = new AbortController();
  #lateDelete: Promise<void> = Promise.resolve();
  #nextSeq: number;
  #untilCaughtUp = false;
  /** After `stopWhenCaughtUp`: how many messages the consumer has to deliver until every one stored before the call has arrived. */
  #left = Number.POSITIVE_INFINITY;
  /** After `stopAt`. */
  #lastSeq = Number.POSITIVE_INFINITY;
  #failure: CbError | undefined;
  /** While there is no consumer: when NATS sent the last message. */
  #silentSinceMs: number | undefined;
  /** The caller works on a message, and the reader repairs nothing meanwhile. */
  #isCallerBusy = false;
  #peakBytes = 0;
  #isWaitingReported = false;
  #reopened = -1;

  constructor(js: JetStreamAccess, options: ReaderOptions) {
    this.#js = js;
    this.#options = options;
    this.#nextSeq = options.fromSeq ?? 1;
    this.#window = {
      windowBytes: options.windowBytes ?? WINDOW_BYTES,
      windowMessages: options.windowMessages ?? WINDOW_MESSAGES,
      heartbeatMs: options.heartbeatMs ?? HEARTBEAT_MS,
    };
  }

  /** For tests and log lines: the highest number of bytes that waited, and how many further consumers were created. */
  get counters(): { readonly peakBytes: number; readonly reopened: number } {
    return {
      peakBytes: Math.max(this.#peakBytes, this.#consumer?.peakBytes ?? 0),
      reopened: Math.max(0, this.#reopened),
    };
  }

  /**
   * Lets the iteration end once every message stored before this call has been delivered. For a filter without wildcards: with one,
   * nats-server 2.9.10 counts too many or too few messages from a sequence within the stream on (5 of 9, 3 in place of 5).
   */
  stopWhenCaughtUp(): void {
    this.#untilCaughtUp = true;
    // Messages in flight are not known here; the reply to a new consumer tells exactly how many are left.
    this.#consumer?.abandon("counting the remaining messages");
  }

  /** Lets the iteration end once the message of that sequence, which the filter must match, or a later one has been delivered. */
  stopAt(lastSeq: number): void {
    this.#lastSeq = lastSeq;
    if (this.#nextSeq > lastSeq) this.#stop();
  }

  /**
   * May be iterated once. Ends when `signal` is aborted, when the caller leaves the loop, or after `stopWhenCaughtUp` or `stopAt`.
   * Throws StreamNotFound, NotAllowed, ConnectionClosed, and CbError "infrastructure" if JetStream refuses the
   * consumer.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<StreamMessage> {
    const messages = this.#read();
    const iterator = {
      next: () => messages.next(),
      // A waiting generator does not process return() until it is woken.
      return: async (): Promise<IteratorResult<StreamMessage>> => {
        this.#stop();
        return await messages.return(undefined);
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  async *#read(): AsyncGenerator<StreamMessage, undefined> {
    const stop = (): void => this.#stop();
    this.#watch = new ConnectionWatch(this.#js.nc, {
      disconnected: () => this.#consumer?.abandon("disconnected"),
      reconnected: () => this.#createCall.abort(),
      denied: (subject) => {
        if (subject === this.#consumer?.pullSubject) this.#fail(new NotAllowed(subject));
      },
      closed: (cause) => this.#fail(new ConnectionClosed(cause)),
    });
    const ticker = setInterval(() => this.#reportWaiting(), 1_000);
    this.#options.signal?.addEventListener("abort", stop, { once: true });
    if (this.#options.signal?.aborted) this.#stop();
    try {
      while (await this.#open()) yield* this.#drain();
      if (this.#failure !== undefined) throw this.#failure;
    } finally {
      // The last message can come less than a tick after an outage.
      this.#reportWaiting();
      this.#stop();
      clearInterval(ticker);
      this.#options.signal?.removeEventListener("abort", stop);
      this.#watch.stop();
      await this.#dropConsumer();
      if (this.#connected) await Promise.race([this.#lateDelete, sleep(DELETE_TIMEOUT_MS, undefined, { ref: false })]);
    }
  }

  /**
   * Yields the messages of the current consumer until it is lost. Drops repeats: after a full disk and a restart nats-server
   * 2.9.10 may have an empty last block, take the stream for an empty one, and start each consumer at sequence 1.
   */
  async *#drain(): AsyncGenerator<StreamMessage, undefined> {
    while (!this.#end.signal.aborted) {
      const message = await this.#consumer?.next();
      if (message === undefined || this.#end.signal.aborted) break;
      if (message.seq >= this.#nextSeq) {
        this.#nextSeq = message.seq + 1;
        this.#isCallerBusy = true;
        try {
          yield message;
        } finally {
          this.#isCallerBusy = false;
        }
      }
      this.#left -= 1;
      if (this.#left === 0 || this.#nextSeq > this.#lastSeq) this.#stop();
      if (this.#untilCaughtUp && message.pending === 0) break;
    }
  }

  /** Creates the next consumer, with retries. Returns false when the iteration is at its end. */
  async #open(): Promise<boolean> {
    this.#silentSinceMs ??= performance.now() - (this.#consumer?.silentMs ?? 0);
    await this.#dropConsumer();
    const refusals = { missing: 0 };
    for (let waitMs = RETRY_MS.first; !this.#end.signal.aborted; waitMs = Math.min(2 * waitMs, RETRY_MS.longest)) {
      const counting = this.#untilCaughtUp;
      const opened = this.#connected ? await this.#create() : undefined;
      if (opened === undefined || !("pending" in opened)) {
        this.#throwIfFinal(opened, refusals);
        await sleep(waitMs, undefined, { signal: this.#end.signal }).catch(() => undefined);
      } else if (counting === this.#untilCaughtUp) {
        this.#answered();
        if (counting) this.#left = opened.pending;
        return this.#left > 0;
      } else {
        // `stopWhenCaughtUp` was called meanwhile, and this count may be older.
        await this.#dropConsumer();
      }
    }
    return false;
  }

  /** A stream must be reported missing twice in a row, because a restarting cluster may report that for a moment. */
  #throwIfFinal(refusal: Refusal | undefined, refusals: { missing: number }): void {
    if (refusal === undefined) return;
    const final = finalError(this.#options.stream, refusal);
    refusals.missing = final instanceof StreamNotFound ? refusals.missing + 1 : 0;
    if (final !== undefined && refusals.missing !== 1) throw final;
  }

  /** Tries once to create a consumer; undefined if there was no reply. */
  async #create(): Promise<{ readonly pending: number } | Refusal | undefined> {
    const { stream, filter } = this.#options;
    const name = `r${nuid.next()}`;
    const config = {
      name,
      deliver_policy: "by_start_sequence",
      opt_start_seq: this.#nextSeq,
      filter_subject: filter,
      ack_policy: "none",
      replay_policy: "instant",
      inactive_threshold: nanos(INACTIVE_MS),
      num_replicas: 1,
      mem_storage: true,
    };
    const body = { stream_name: stream, config };
    const created = callApi(this.#js, `CONSUMER.CREATE.${stream}.${name}.${filter}`, body);
    const reply = await this.#unlessInterrupted(created);
    if (reply.kind === "silent") {
      this.#lateDelete = this.#deleteLate(name, created);
      return undefined;
    }
    if (reply.kind === "refused") return reply.refusal;
    const parsed = v.safeParse(createdSchema, reply.body);
    if (!parsed.success) return { code: 0, status: 400, text: "the reply has an unknown format" };
    this.#reopened += 1;
    this.#consumer = new PullConsumer(this.#js, stream, name, this.#window);
    if (this.#end.signal.aborted || !this.#connected) this.#consumer.abandon("ended meanwhile");
    return { pending: parsed.output.num_pending };
  }

  /** Gives up the call after a reconnect, because its reply may be lost, and when the iteration ends. */
  async #unlessInterrupted(call: Promise<ApiReply>): Promise<ApiReply> {
    this.#createCall = new AbortController();
    const { signal } = this.#createCall;
    try {
      return await unlessAborted(call, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      return { kind: "silent" };
    }
  }

  /** Deletes the consumer that a given-up call may have created. */
  async #deleteLate(name: string, created: Promise<ApiReply>): Promise<void> {
    const reply = await created.catch(() => undefined);
    if (reply?.kind !== "refused") await deleteConsumer(this.#js, this.#options.stream, name);
  }

  async #dropConsumer(): Promise<void> {
    const consumer = this.#consumer;
    if (consumer === undefined) return;
    this.#peakBytes = Math.max(this.#peakBytes, consumer.peakBytes);
    this.#consumer = undefined;
    const closed = consumer.close();
    if (this.#connected) await closed;
  }

  get #connected(): boolean {
    return this.#watch?.connected ?? false;
  }

  #stop(): void {
    this.#end.abort();
    this.#createCall.abort();
    this.#consumer?.abandon("stopped");
  }

  #fail(error: CbError): void {
    this.#failure ??= error;
    this.#stop();
  }

  /** NATS has created a consumer. */
  #answered(): void {
    this.#silentSinceMs = undefined;
    this.#reportWaiting();
    this.#options.onOpened?.();
  }

  #reportWaiting(): void {
    // The reader cannot know whether NATS answers, because it creates the next consumer only when the caller wants a message.
    if (this.#isCallerBusy && this.#consumer?.lost !== undefined) return;
    const silentMs =
      this.#silentSinceMs === undefined ? (this.#consumer?.silentMs ?? 0) : performance.now() - this.#silentSinceMs;
    const isWaiting = silentMs >= (this.#options.waitingAfterMs ?? 5_000);
    if (isWaiting) this.#options.onWaiting?.(Math.round(silentMs));
    else if (this.#isWaitingReported) this.#options.onWaiting?.(0);
    this.#isWaitingReported = isWaiting;
  }
}

/**
 * Reads one stream in order from a sequence, for ever, through whatever happens to servers and connections.
 *
 * The stock ordered consumer stops for good when its consumer dies without a word; this one makes a consumer of its own,
 * pulls with heartbeats, and makes a new consumer at the next sequence whenever a message, a heartbeat, the consumer or
 * the connection is missing. It needs the right to CONSUMER.CREATE (with the filter in the subject), MSG.NEXT and
 * CONSUMER.DELETE of that stream, and its own inbox.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { nanos, nuid } from "nats";
import * as v from "valibot";
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
import { ConnectionClosed, finalError, NotAllowed, type Refusal, StreamNotFound } from "./stream-errors.ts";

export type { StreamMessage } from "./pull-consumer.ts";

export interface ReaderOptions extends Partial<PullWindow> {
  readonly stream: string;
  /** One subject, wildcards allowed; nats-server 2.9 knows no list of filters. */
  readonly filter: string;
  /** The first sequence wanted. Default 1, the beginning. */
  readonly fromSeq?: number;
  /** Ends the reading: the iteration is done, nothing is thrown. */
  readonly signal?: AbortSignal;
  /** Called every second while NATS has not answered for `waitingAfterMs`, and with 0 when it answers again. */
  readonly onWaiting?: (silentMs: number) => void;
  /** Default 5 s: two heartbeats and a half, what a healthy cluster needs at most. */
  readonly waitingAfterMs?: number;
}

/** Half of it is one pull. Well below the 64 MB after which the server cuts off a slow consumer; several readers share a connection. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Enough for a pull to last a round trip at a million short lines a second. */
const WINDOW_MESSAGES = 4096;
const HEARTBEAT_MS = 2_000;
/** A consumer that nobody pulls from vanishes after this; long enough for a reader whose taker is slow. */
const INACTIVE_MS = 60_000;
/** A restarting cluster may say for a moment that a stream does not exist: it must say so twice. */
const RETRY_MS = { first: 100, longest: 2_000 };

const createdSchema = v.object({ name: v.string(), num_pending: v.number() });

export class StreamReader implements AsyncIterable<StreamMessage> {
  readonly #js: JetStreamAccess;
  readonly #options: ReaderOptions;
  readonly #window: PullWindow;
  readonly #end = new AbortController();
  #watch: ConnectionWatch | undefined;
  #consumer: PullConsumer | undefined;
  #interrupt: (() => void) | undefined;
  #orphan: Promise<void> = Promise.resolve();
  #nextSeq: number;
  #untilCaughtUp = false;
  #failure: CbError | undefined;
  #lostAtMs: number | undefined;
  #peakBytes = 0;
  #waiting = false;
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

  /** For tests and reports: the most bytes that ever waited, and how often a new consumer had to be made. */
  get counters(): { readonly peakBytes: number; readonly reopened: number } {
    return {
      peakBytes: Math.max(this.#peakBytes, this.#consumer?.peakBytes ?? 0),
      reopened: Math.max(0, this.#reopened),
    };
  }

  /** From now on the iteration ends when everything stored before this call has been delivered. */
  stopWhenCaughtUp(): void {
    this.#untilCaughtUp = true;
    // What is on its way is not known here; a new consumer's answer says exactly how much is left.
    this.#consumer?.abandon("counting what is left");
  }

  /**
   * May be iterated once. Ends by `signal`, by leaving the loop, or after `stopWhenCaughtUp`.
   * Throws StreamNotFound, NotAllowed, ConnectionClosed, and CbError "infrastructure" when JetStream refuses the reader.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<StreamMessage> {
    const messages = this.#read();
    const iterator = {
      next: () => messages.next(),
      // A generator that waits does not see return(): it is woken first.
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
      reconnected: () => this.#interrupt?.(),
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
      this.#stop();
      clearInterval(ticker);
      this.#options.signal?.removeEventListener("abort", stop);
      this.#watch.stop();
      await this.#dropConsumer();
      if (this.#connected) await Promise.race([this.#orphan, sleep(DELETE_TIMEOUT_MS, undefined, { ref: false })]);
    }
  }

  /** Everything this generation gives. */
  async *#drain(): AsyncGenerator<StreamMessage, undefined> {
    while (!this.#end.signal.aborted) {
      const message = await this.#consumer?.next();
      if (message === undefined || this.#end.signal.aborted) break;
      this.#nextSeq = message.seq + 1;
      yield message;
      if (this.#untilCaughtUp && message.pending === 0) break;
    }
    this.#lostAtMs ??= performance.now();
  }

  /** Makes the next consumer, trying until it exists; false when there is nothing more to read. */
  async #open(): Promise<boolean> {
    await this.#dropConsumer();
    this.#lostAtMs ??= performance.now();
    const refusals = { missing: 0 };
    for (let waitMs = RETRY_MS.first; !this.#end.signal.aborted; waitMs = Math.min(2 * waitMs, RETRY_MS.longest)) {
      const counting = this.#untilCaughtUp;
      const opened = this.#connected ? await this.#create() : undefined;
      if (opened === undefined || !("pending" in opened)) {
        this.#throwIfFinal(opened, refusals);
        await sleep(waitMs, undefined, { signal: this.#end.signal }).catch(() => undefined);
      } else if (counting === this.#untilCaughtUp) {
        return !(counting && opened.pending === 0);
      } else {
        // The end was set while this consumer was being made: what it counted may be from before.
        await this.#dropConsumer();
      }
    }
    return false;
  }

  /** A stream must be missing twice in a row. */
  #throwIfFinal(refusal: Refusal | undefined, refusals: { missing: number }): void {
    if (refusal === undefined) return;
    const final = finalError(this.#options.stream, refusal);
    refusals.missing = final instanceof StreamNotFound ? refusals.missing + 1 : 0;
    if (final !== undefined && refusals.missing !== 1) throw final;
  }

  /** One try; undefined when there was no answer. */
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
    const asked = callApi(this.#js, `CONSUMER.CREATE.${stream}.${name}.${filter}`, body);
    const answer = await Promise.race([asked, this.#interrupted()]);
    if (answer.kind === "silent") {
      this.#orphan = this.#deleteLate(name, asked);
      return undefined;
    }
    if (answer.kind === "refused") return answer.refusal;
    const parsed = v.safeParse(createdSchema, answer.body);
    if (!parsed.success) return { code: 0, status: 400, text: "an answer of unknown shape" };
    this.#lostAtMs = undefined;
    this.#reopened += 1;
    this.#consumer = new PullConsumer(this.#js, stream, name, this.#window);
    if (this.#end.signal.aborted || !this.#connected) this.#consumer.abandon("ended meanwhile");
    return { pending: parsed.output.num_pending };
  }

  /** A call that was under way when the connection went is lost, and nobody waits for one when the reading ends. */
  #interrupted(): Promise<ApiReply> {
    return new Promise((resolve) => {
      this.#interrupt = () => resolve({ kind: "silent" });
    });
  }

  /** The answer to a call that was given up may still come, or is lost: then there is a consumer that nobody uses. */
  async #deleteLate(name: string, asked: Promise<ApiReply>): Promise<void> {
    const answer = await asked.catch(() => undefined);
    if (answer?.kind !== "refused") await deleteConsumer(this.#js, this.#options.stream, name);
  }

  async #dropConsumer(): Promise<void> {
    const consumer = this.#consumer;
    if (consumer === undefined) return;
    this.#peakBytes = Math.max(this.#peakBytes, consumer.peakBytes);
    this.#consumer = undefined;
    const gone = consumer.close();
    if (this.#connected) await gone;
  }

  get #connected(): boolean {
    return this.#watch?.connected ?? false;
  }

  #stop(): void {
    this.#end.abort();
    this.#interrupt?.();
    this.#consumer?.abandon("stopped");
  }

  #fail(error: CbError): void {
    this.#failure ??= error;
    this.#stop();
  }

  #silentSince(): number {
    if (this.#lostAtMs !== undefined) return performance.now() - this.#lostAtMs;
    return this.#consumer?.silentMs ?? 0;
  }

  #reportWaiting(): void {
    const silentMs = this.#silentSince();
    const waiting = silentMs >= (this.#options.waitingAfterMs ?? 5_000);
    if (waiting) this.#options.onWaiting?.(Math.round(silentMs));
    else if (this.#waiting) this.#options.onWaiting?.(0);
    this.#waiting = waiting;
  }
}

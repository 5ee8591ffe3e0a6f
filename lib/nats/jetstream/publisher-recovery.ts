/**
 * Decides when a publisher's window is sent again, and whether new messages may be sent meanwhile.
 *
 * After a lost connection, a refusal, or missing acknowledgements, all unacknowledged messages are sent again from the
 * first.
 *
 * Duplicates: each message has its own id, and JetStream drops a repeated id within the stream's duplicate_window
 * (2 minutes by default). After a longer outage the newest stored message is read first.
 *
 * Slow connections: missing acknowledgements alone cause no repetition. A PING on the same connection first shows that
 * everything sent has reached the server.
 */
import type { CbError } from "../../core/errors.ts";
import { ConnectionWatch } from "../connection-watch.ts";
import type { AckedSender } from "./acked-sender.ts";
import type { JetStreamAccess } from "./api.ts";
import { isStored, lastOwnMessage } from "./last-own-message.ts";
import type { SendWindow } from "./send-window.ts";
import { ConnectionClosed, NotAllowed, StreamNotFound } from "./stream-errors.ts";

export interface RetryPolicy {
  /**
   * After this long without an acknowledgement the window is sent again. Default 5 s: a leader is replaced in 4 to 7 s.
   */
  readonly ackTimeoutMs?: number;
  /**
   * Messages older than this are looked up in the stream before they are sent again. Default 60 s: half of
   * duplicate_window.
   */
  readonly lookBackAfterMs?: number;
  /**
   * Called when the server has no such stream, with the time for which it has had none. True: the stream does not come back. Default:
   * isMissingForLong().
   */
  readonly isDeleted?: (missingMs: number) => boolean | Promise<boolean>;
  /**
   * Called every second once acknowledgements have been missing for `ackTimeoutMs`, and with 0 when they arrive again.
   * `isRefused`: NATS replies, and stores nothing, as on a full disk. nats-server 2.15.1 gives no reason then: it refuses the messages
   * after the one that it could not write, because that is missing. nats-server 2.9.10 answers nothing.
   */
  readonly onWaiting?: (silentMs: number, isRefused: boolean) => void;
}

export interface RecoveryDependencies {
  readonly js: JetStreamAccess;
  readonly stream: string;
  readonly window: SendWindow;
  readonly sender: AckedSender;
  /** The sequence of the last acknowledged message; 0 before the first. */
  readonly lastSeq: () => number;
  /** Reports that message n was found in the stream. */
  readonly stored: (n: number, seq: number) => void;
  /** Reports an error that no retry fixes; the publisher then calls `stop`. */
  readonly fail: (error: CbError) => void;
}

const MISSING_MAX_MS = 900_000;
/** After 15 minutes: a server that takes the place of a lost one answers before its streams are restored. */
export const isMissingForLong = (missingMs: number): boolean => missingMs > MISSING_MAX_MS;

const TICK_MS = 1_000;
const RETRY_MS = { first: 100, longest: 2_000 };

export class PublisherRecovery {
  readonly #publisher: RecoveryDependencies;
  readonly #retryPolicy: RetryPolicy;
  readonly #ackTimeoutMs: number;
  readonly #watch: ConnectionWatch;
  readonly #ticker: NodeJS.Timeout;
  #live: boolean;
  #stopped = false;
  #recovering = false;
  #probing = false;
  #retryMs = RETRY_MS.first;
  /** The last acknowledgement, or the moment when the window got its first message. */
  #progressAtMs = performance.now();
  /** As `#progressAtMs`, or the last repetition of the window. */
  #sentAtMs = performance.now();
  #reported = false;
  #mayLookUp = true;
  /** The disk of NATS was full at the last refusal, and nothing was acknowledged since. */
  #diskFull = false;
  /** NATS has refused a message, and the connection was not lost and nothing acknowledged since. */
  #refused = false;
  /** Since when the stream is reported missing. */
  #missingSinceMs: number | undefined;
  #resent = 0;

  constructor(publisher: RecoveryDependencies, retryPolicy: RetryPolicy) {
    this.#publisher = publisher;
    this.#retryPolicy = retryPolicy;
    this.#ackTimeoutMs = retryPolicy.ackTimeoutMs ?? 5_000;
    this.#watch = new ConnectionWatch(publisher.js.nc, {
      disconnected: () => {
        this.#live = false;
        this.#refused = false;
      },
      reconnected: () => void this.#recover(0),
      denied: (subject) => {
        if (publisher.window.all.some((entry) => entry.subject === subject)) publisher.fail(new NotAllowed(subject));
      },
      closed: (cause) => publisher.fail(new ConnectionClosed(cause)),
    });
    this.#live = this.#watch.connected;
    this.#ticker = setInterval(() => void this.#tick(), Math.min(TICK_MS, this.#ackTimeoutMs));
  }

  /**
   * False from a fault until the window has been sent again. Meanwhile new messages join the window but are not sent.
   */
  get live(): boolean {
    return this.#live;
  }

  /** How many repetitions of messages were sent. */
  get resent(): number {
    return this.#resent;
  }

  /** A message entered the empty window: the time without acknowledgements starts now. */
  started(): void {
    this.#progressAtMs = this.#sentAtMs = performance.now();
  }

  /** A message was acknowledged. */
  progressed(): void {
    this.#progressAtMs = this.#sentAtMs = performance.now();
    this.#retryMs = RETRY_MS.first;
    this.#diskFull = false;
    this.#refused = false;
  }

  /** A message was refused. `atOnce`: only the order was wrong, so a delay has no use. */
  refused({ atOnce, diskFull }: { readonly atOnce: boolean; readonly diskFull: boolean }): void {
    this.#diskFull ||= diskFull;
    this.#refused = true;
    void this.#recover(atOnce ? 0 : this.#retryMs);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#ticker);
    this.#watch.stop();
  }

  /** Sends the window again from its first message, as soon as there is a connection. */
  async #recover(waitMs: number): Promise<void> {
    if (this.#recovering || this.#stopped) return;
    this.#live = false;
    if (!this.#watch.connected) return;
    this.#recovering = true;
    try {
      if (waitMs > 0) {
        this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS.longest);
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
      if ((await this.#hasKeptEnd()) && (await this.#lookUpStored()) && this.#watch.connected) this.#resend();
    } catch (error) {
      const isKnown = error instanceof NotAllowed || error instanceof ConnectionClosed;
      this.#publisher.fail(isKnown ? error : new ConnectionClosed(error));
    } finally {
      this.#recovering = false;
    }
  }

  #resend(): void {
    if (this.#stopped) return;
    this.#resent += this.#publisher.window.all.length;
    this.#live = true;
    this.#sentAtMs = performance.now();
    this.#publisher.sender.sendAgain(this.#publisher.window.all);
  }

  /**
   * False if a full disk made the server lose the end of the stream: when nats-server 2.10.27 cannot write the first message of
   * a block, the stream has no last sequence until a restart, and the next message would get sequence 1.
   */
  async #hasKeptEnd(): Promise<boolean> {
    const { js, stream, lastSeq } = this.#publisher;
    return !this.#diskFull || lastSeq() === 0 || (await isStored(js, stream, lastSeq()));
  }

  /**
   * Looks up the newest stored message of the subject, because after an outage longer than the duplicate window
   * JetStream would store a second copy. Returns false if the lookup failed, so that nothing may be sent yet. Without
   * permission for STREAM.MSG.GET it relies on the duplicate window alone.
   */
  async #lookUpStored(): Promise<boolean> {
    const { js, stream, window, sender } = this.#publisher;
    const oldMs = this.#retryPolicy.lookBackAfterMs ?? 60_000;
    for (let first = window.first; first !== undefined && this.#mayLookUp; first = window.first) {
      if (performance.now() - first.firstSentAtMs < oldMs) return true;
      const found = await lastOwnMessage(js, stream, first.subject, sender.idPrefix);
      await this.#checkMissing(found === "no stream");
      if (found === "no stream" || found === "unknown") return false;
      if (found === "not allowed") this.#mayLookUp = false;
      else if (found === "none" || found.n < first.n) return true;
      else this.#publisher.stored(found.n, found.seq);
    }
    return true;
  }

  async #checkMissing(isMissing: boolean): Promise<void> {
    if (isMissing) this.#missingSinceMs ??= performance.now();
    else this.#missingSinceMs = undefined;
    if (this.#missingSinceMs === undefined) return;
    const { isDeleted = isMissingForLong } = this.#retryPolicy;
    if (!(await isDeleted(performance.now() - this.#missingSinceMs))) return;
    this.#publisher.fail(new StreamNotFound(this.#publisher.stream));
  }

  async #tick(): Promise<void> {
    const isWaiting = this.#publisher.window.first !== undefined;
    this.#report(isWaiting ? performance.now() - this.#progressAtMs : 0);
    const unansweredMs = isWaiting ? performance.now() - this.#sentAtMs : 0;
    if (unansweredMs < this.#ackTimeoutMs || this.#recovering || this.#probing || !this.#watch.connected) return;
    this.#probing = true;
    if (!this.#live || (await this.#acksAreLost())) await this.#recover(0);
    this.#probing = false;
  }

  /** True if the server has received everything sent, had half of `ackTimeoutMs` to answer, and has not. */
  async #acksAreLost(): Promise<boolean> {
    const { round } = this.#publisher.sender;
    try {
      await this.#publisher.js.nc.flush();
    } catch {
      return false;
    }
    await new Promise((resolve) => setTimeout(resolve, this.#ackTimeoutMs / 2));
    return round === this.#publisher.sender.round && performance.now() - this.#sentAtMs >= this.#ackTimeoutMs;
  }

  #report(silentMs: number): void {
    const waiting = silentMs >= this.#ackTimeoutMs;
    if (waiting) this.#retryPolicy.onWaiting?.(Math.round(silentMs), this.#refused);
    else if (this.#reported) this.#retryPolicy.onWaiting?.(0, false);
    this.#reported = waiting;
  }
}

/**
 * Decides when a publisher's window is sent again, and whether new messages may go out meanwhile.
 *
 * After a lost connection, a refusal, or answers that do not come, everything unacknowledged is sent again from the first.
 * Twice. Each message has an id of its own, which JetStream drops when it comes again within the stream's
 * duplicate_window (2 minutes by default). After a longer outage the newest stored message is looked at first.
 * Slow lines. No progress alone resends nothing: a PING through the same connection first shows that everything sent has
 * reached the server.
 */
import type { CbError } from "../../core/errors.ts";
import { ConnectionWatch } from "../connection-watch.ts";
import type { AckedSender } from "./acked-sender.ts";
import type { JetStreamAccess } from "./api.ts";
import { lastOwnMessage } from "./last-own-message.ts";
import type { SendWindow } from "./send-window.ts";
import { ConnectionClosed, NotAllowed, StreamNotFound } from "./stream-errors.ts";

export interface RetryPolicy {
  /** Without any acknowledgement for this long the window is sent again. Default 5 s: a leader is replaced in 4 to 7 s. */
  readonly ackTimeoutMs?: number;
  /** Messages older than this are looked for in the stream before they are sent again. Default half of 2 minutes. */
  readonly lookBackAfterMs?: number;
  /** Called every second while acknowledgements have been missing for `ackTimeoutMs`, and with 0 when they come again. */
  readonly onWaiting?: (silentMs: number) => void;
}

export interface Recovered {
  readonly js: JetStreamAccess;
  readonly stream: string;
  readonly window: SendWindow;
  readonly sender: AckedSender;
  /** A look into the stream has shown that message n is there. */
  readonly stored: (n: number, seq: number) => void;
  /** Nothing helps; `stop` follows. */
  readonly fail: (error: CbError) => void;
}

const TICK_MS = 1_000;
const RETRY_MS = { first: 100, longest: 2_000 };

export class PublisherRecovery {
  readonly #of: Recovered;
  readonly #patience: RetryPolicy;
  readonly #ackTimeoutMs: number;
  readonly #watch: ConnectionWatch;
  readonly #ticker: NodeJS.Timeout;
  #live: boolean;
  #stopped = false;
  #recovering = false;
  #probing = false;
  #retryMs = RETRY_MS.first;
  #progressAtMs = performance.now();
  #reported = false;
  #mayLook = true;
  #missing = 0;
  #resent = 0;

  constructor(of: Recovered, patience: RetryPolicy) {
    this.#of = of;
    this.#patience = patience;
    this.#ackTimeoutMs = patience.ackTimeoutMs ?? 5_000;
    this.#watch = new ConnectionWatch(of.js.nc, {
      disconnected: () => {
        this.#live = false;
      },
      reconnected: () => void this.#recover(0),
      denied: (subject) => {
        if (of.window.all.some((entry) => entry.subject === subject)) of.fail(new NotAllowed(subject));
      },
      closed: (cause) => of.fail(new ConnectionClosed(cause)),
    });
    this.#live = this.#watch.connected;
    this.#ticker = setInterval(() => void this.#tick(), Math.min(TICK_MS, this.#ackTimeoutMs));
  }

  /** False from trouble until the window has been sent again: new messages join the window but are not sent. */
  get live(): boolean {
    return this.#live;
  }

  /** How many messages were sent more than once, counting each time. */
  get resent(): number {
    return this.#resent;
  }

  /** The first message enters an empty window: its silence begins now. */
  started(): void {
    this.#progressAtMs = performance.now();
  }

  /** Something was stored. */
  progressed(): void {
    this.#progressAtMs = performance.now();
    this.#retryMs = RETRY_MS.first;
  }

  /** A message was refused. `soon`: only its place in the order was wrong, and waiting makes nothing better. */
  refused(soon: boolean): void {
    void this.#recover(soon ? 0 : this.#retryMs);
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
      if ((await this.#lookBack()) && this.#watch.connected) this.#resend();
    } catch (error) {
      const known = error instanceof NotAllowed || error instanceof ConnectionClosed;
      this.#of.fail(known ? error : new ConnectionClosed(error));
    } finally {
      this.#recovering = false;
    }
  }

  #resend(): void {
    if (this.#stopped) return;
    this.#resent += this.#of.window.all.length;
    this.#live = true;
    this.#progressAtMs = performance.now();
    this.#of.sender.sendAgain(this.#of.window.all);
  }

  /**
   * After an outage longer than the duplicate window a second copy would be stored: the newest stored message of the
   * subject tells how far we had come. False when that cannot be known now and nothing may be sent. Without the right
   * to STREAM.MSG.GET it relies on the duplicate window alone.
   */
  async #lookBack(): Promise<boolean> {
    const { js, stream, window, sender } = this.#of;
    const oldMs = this.#patience.lookBackAfterMs ?? 60_000;
    for (let first = window.first; first !== undefined && this.#mayLook; first = window.first) {
      if (performance.now() - first.firstSentAtMs < oldMs) return true;
      const found = await lastOwnMessage(js, stream, first.subject, sender.idPrefix);
      this.#missing = found === "no stream" ? this.#missing + 1 : 0;
      // A restarting cluster may say once that there is no such stream.
      if (this.#missing > 1) this.#of.fail(new StreamNotFound(stream));
      if (found === "no stream" || found === "unknown") return false;
      if (found === "not allowed") this.#mayLook = false;
      else if (found === "none" || found.n < first.n) return true;
      else this.#of.stored(found.n, found.seq);
    }
    return true;
  }

  async #tick(): Promise<void> {
    const silentMs = this.#of.window.first === undefined ? 0 : performance.now() - this.#progressAtMs;
    this.#report(silentMs);
    if (silentMs < this.#ackTimeoutMs || this.#recovering || this.#probing || !this.#watch.connected) return;
    this.#probing = true;
    if (!this.#live || (await this.#answersAreLost())) await this.#recover(0);
    this.#probing = false;
  }

  /** True when the server has had all we sent, and time to answer, and has not. */
  async #answersAreLost(): Promise<boolean> {
    const { round } = this.#of.sender;
    try {
      await this.#of.js.nc.flush();
    } catch {
      return false;
    }
    await new Promise((resolve) => setTimeout(resolve, this.#ackTimeoutMs / 2));
    return round === this.#of.sender.round && performance.now() - this.#progressAtMs >= this.#ackTimeoutMs;
  }

  #report(silentMs: number): void {
    const waiting = silentMs >= this.#ackTimeoutMs;
    if (waiting) this.#patience.onWaiting?.(Math.round(silentMs));
    else if (this.#reported) this.#patience.onWaiting?.(0);
    this.#reported = waiting;
  }
}

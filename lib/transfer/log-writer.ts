/**
 * Publishes the output of a build as raw bytes in order. A line after a pause is sent at once; the batches that follow hold a few
 * milliseconds or some tens of KiB, and end at a line end if they contain one. No output is dropped: if the publisher's window is
 * full, `write` waits, and so does the build.
 */

import { CbError } from "../core/errors.ts";
import type { Publisher } from "../nats/jetstream/publisher.ts";

export interface LogWriterOptions {
  /** `build.<id>.log`. */
  readonly subject: string;
  /** Limit for the whole log. Output beyond it is not sent, and every further write rejects with LogTooLong. */
  readonly maxBytes: number;
  /** Size at which a batch is sent. Default 32 KiB: hundreds of lines, a third of a millisecond at 100 MB/s. */
  readonly batchBytes?: number;
  /**
   * Between two messages at least, unless a batch is full; complete lines wait for further ones meanwhile. Default 5 ms: invisible to
   * users, and 200 messages a second are no load for NATS.
   */
  readonly batchMs?: number;
  /** How long an incomplete line (a prompt, a progress bar) waits for its end. Default 100 ms. */
  readonly partialMs?: number;
}

/** The build printed more than the limit. Its log holds the output up to the limit. */
export class LogTooLong extends CbError {
  constructor(maxBytes: number) {
    super("recipe", `the build printed more than ${maxBytes} bytes`, {
      hint: "let the commands of the recipe print less, or redirect their output to a file",
    });
    this.name = "LogTooLong";
  }
}

const NEWLINE = 0x0a;

export class LogWriter {
  readonly #publisher: Publisher;
  readonly #subject: string;
  readonly #maxBytes: number;
  readonly #batchBytes: number;
  readonly #batchMs: number;
  readonly #partialMs: number;
  /** The unsent pieces as they were written; they are joined once per batch, not once per write. */
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #acceptedBytes = 0;
  #partialSinceMs = 0;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  /** True while lines are sent that were due. */
  #isSendingDue = false;
  /** All batches go through this chain, so that a timer and a write never send out of order. */
  #sending: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(publisher: Publisher, options: LogWriterOptions) {
    this.#publisher = publisher;
    this.#subject = options.subject;
    this.#maxBytes = options.maxBytes;
    this.#batchBytes = options.batchBytes ?? 32 * 1024;
    this.#batchMs = options.batchMs ?? 5;
    this.#partialMs = options.partialMs ?? 100;
  }

  /**
   * Resolves when more output can be accepted; the caller reads no further output before that. The caller must not
   * change the bytes afterwards. Rejects with LogTooLong, or with the error that ended the publisher, and so does every
   * later call.
   */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const allowed = chunk.subarray(0, this.#maxBytes - this.#acceptedBytes);
    this.#acceptedBytes += allowed.length;
    if (allowed.length > 0) this.#append(allowed);
    if (allowed.length < chunk.length) {
      const tooLong = new LogTooLong(this.#maxBytes);
      await this.#send("all");
      this.#failure ??= tooLong;
    } else if (this.#bytes >= this.#batchBytes) {
      await this.#send("full");
    }
    if (this.#failure !== undefined) throw this.#failure;
    this.#schedule();
  }

  /**
   * Sends the rest. Resolves with the stream sequence of the last message when all is stored. Rejects like `write`, but
   * not with LogTooLong.
   */
  async end(): Promise<number> {
    clearTimeout(this.#timer);
    await this.#send("all");
    if (this.#failure !== undefined && !(this.#failure instanceof LogTooLong)) throw this.#failure;
    return await this.#publisher.flush();
  }

  #append(chunk: Uint8Array): void {
    if (this.#bytes === 0) this.#partialSinceMs = performance.now();
    this.#pieces.push(chunk);
    this.#bytes += chunk.length;
  }

  #joined(): Uint8Array {
    const joined = this.#pieces.length === 1 ? this.#pieces[0] : undefined;
    return joined ?? this.#setBuffer(Buffer.concat(this.#pieces, this.#bytes));
  }

  #setBuffer(rest: Uint8Array): Uint8Array {
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    return rest;
  }

  /** `full`: only full batches; `lines`: also complete lines; `all`: everything. */
  #send(extent: "full" | "lines" | "all"): Promise<void> {
    this.#sending = this.#sending.then(async () => {
      try {
        for (let piece = this.#takeBatch(extent); piece.length > 0; piece = this.#takeBatch(extent)) {
          await this.#publisher.publish(this.#subject, piece);
        }
      } catch (error) {
        this.#failure ??= error;
      }
    });
    return this.#sending;
  }

  /** Takes the next message from the buffer: at most a batch, which ends at a line end if it contains one. */
  #takeBatch(extent: "full" | "lines" | "all"): Uint8Array {
    if (this.#bytes === 0 || (extent === "full" && this.#bytes < this.#batchBytes)) return new Uint8Array();
    const buffer = this.#joined();
    const batch = buffer.subarray(0, this.#batchBytes);
    const lines = batch.lastIndexOf(NEWLINE) + 1;
    // A line longer than a batch, and the rest in `all`, is sent without a line end.
    const isRest = extent === "all" && batch.length === buffer.length;
    const isLongLine = lines === 0 && batch.length === this.#batchBytes;
    const end = isRest || isLongLine ? batch.length : lines;
    if (end > 0) this.#partialSinceMs = this.#sentAtMs = performance.now();
    this.#setBuffer(buffer.subarray(end));
    return batch.subarray(0, end);
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#isSendingDue || this.#bytes === 0 || this.#failure !== undefined) return;
    const isPartial = this.#joined().lastIndexOf(NEWLINE) < 0;
    const dueMs = isPartial ? this.#partialSinceMs + this.#partialMs : this.#sentAtMs + this.#batchMs;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) this.#timer = setTimeout(() => void this.#sendDue(), waitMs);
    else void this.#sendDue();
  }

  async #sendDue(): Promise<void> {
    this.#timer = undefined;
    this.#isSendingDue = true;
    const isPartialOld = performance.now() - this.#partialSinceMs >= this.#partialMs;
    await this.#send(isPartialOld ? "all" : "lines");
    this.#isSendingDue = false;
    this.#schedule();
  }
}

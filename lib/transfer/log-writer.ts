/**
 * Sends what a build prints, as raw bytes in order: batched for a few milliseconds and tens of KiB, cut at line ends where
 * there are any, never dropped. When the publisher's window is full, `write` waits, and with it the build's output.
 */

import { CbError } from "../core/errors.ts";
import type { Publisher } from "../nats/jetstream/publisher.ts";

export interface LogWriterOptions {
  /** `build.<id>.log`. */
  readonly subject: string;
  /** The build's bound: what goes beyond is not sent, and every write rejects with LogTooLong. */
  readonly maxBytes: number;
  /** A batch is sent when it is this large. Default 32 KiB: hundreds of lines, a quarter of a millisecond at 100 MB/s. */
  readonly batchBytes?: number;
  /** Whole lines wait this long for company. Default 5 ms: nobody sees it, and 200 messages a second are nothing to NATS. */
  readonly batchMs?: number;
  /** The beginning of a line (a prompt, a progress bar) waits this long for its end. Default 100 ms. */
  readonly partialMs?: number;
}

/** A build printed more than it may. All up to the bound is in its log. */
export class LogTooLong extends CbError {
  constructor(maxBytes: number) {
    super("recipe", `the build printed more than ${maxBytes} bytes`, {
      hint: "let noisy commands of the recipe print less, or into a file",
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
  /** What is not sent yet, in the pieces it came in; they are joined once a batch, not once a write. */
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #takenBytes = 0;
  #partialSinceMs = 0;
  #timer: NodeJS.Timeout | undefined;
  /** All sending goes through this chain, so that a timer and a write never overtake each other. */
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
   * Resolves when there is room for more; wait for it before reading on. The bytes must not be changed afterwards.
   * Rejects with LogTooLong, or with what ended the publisher; then every later call does too.
   */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const allowed = chunk.subarray(0, this.#maxBytes - this.#takenBytes);
    this.#takenBytes += allowed.length;
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

  /** Sends what is left; resolves with the stream sequence of the last message when all is stored. Rejects like `write`, but not with LogTooLong. */
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
    return joined ?? this.#keep(Buffer.concat(this.#pieces, this.#bytes));
  }

  #keep(rest: Uint8Array): Uint8Array {
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    return rest;
  }

  /** `full`: only whole batches; `lines`: also whole lines; `all`: everything. */
  #send(what: "full" | "lines" | "all"): Promise<void> {
    this.#sending = this.#sending.then(async () => {
      try {
        for (let piece = this.#cut(what); piece.length > 0; piece = this.#cut(what)) {
          await this.#publisher.publish(this.#subject, piece);
        }
      } catch (error) {
        this.#failure ??= error;
      }
    });
    return this.#sending;
  }

  /** Takes the next message off the buffer: at most a batch, ending at a line's end if one is in it. */
  #cut(what: "full" | "lines" | "all"): Uint8Array {
    if (this.#bytes === 0 || (what === "full" && this.#bytes < this.#batchBytes)) return new Uint8Array();
    const buffer = this.#joined();
    const batch = buffer.subarray(0, this.#batchBytes);
    const lines = batch.lastIndexOf(NEWLINE) + 1;
    // A line longer than a batch, and what nobody will complete, goes as it is.
    const asItIs = what === "all" && batch.length === buffer.length;
    const tooLong = lines === 0 && batch.length === this.#batchBytes;
    const end = asItIs || tooLong ? batch.length : lines;
    if (end > 0) this.#partialSinceMs = performance.now();
    this.#keep(buffer.subarray(end));
    return batch.subarray(0, end);
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#bytes === 0 || this.#failure !== undefined) return;
    const partial = this.#joined().lastIndexOf(NEWLINE) < 0;
    const dueMs = this.#partialSinceMs + this.#partialMs - performance.now();
    this.#timer = setTimeout(() => void this.#due(), partial ? Math.max(dueMs, 0) : this.#batchMs);
  }

  async #due(): Promise<void> {
    const partialIsOld = performance.now() - this.#partialSinceMs >= this.#partialMs;
    await this.#send(partialIsOld ? "all" : "lines");
    this.#timer = undefined;
    this.#schedule();
  }
}

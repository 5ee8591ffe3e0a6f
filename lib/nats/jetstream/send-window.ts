/** The unacknowledged messages of a publisher, oldest first, bounded in number and bytes. Pure bookkeeping. */

export interface SentMessage {
  /** 1, 2, 3 … in the order of publishing. */
  readonly n: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly firstSentAtMs: number;
}

/** Size of subject, reply and the two headers, rounded up. It counts towards max_payload and towards the window. */
export const OVERHEAD_BYTES = 512;

export class SendWindow {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #messages: SentMessage[] = [];
  #bytes = 0;
  #lastN = 0;

  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  get first(): SentMessage | undefined {
    return this.#messages[0];
  }

  get all(): readonly SentMessage[] {
    return this.#messages;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** An empty window accepts one message of any size; otherwise a small window would wait for ever. */
  hasSpaceFor(data: Uint8Array): boolean {
    if (this.#messages.length === 0) return true;
    return this.#messages.length < this.#maxMessages && this.#bytes + data.length + OVERHEAD_BYTES <= this.#maxBytes;
  }

  add(subject: string, data: Uint8Array, nowMs: number): SentMessage {
    this.#lastN += 1;
    const message = { n: this.#lastN, subject, data, firstSentAtMs: nowMs };
    this.#messages.push(message);
    this.#bytes += data.length + OVERHEAD_BYTES;
    return message;
  }

  /** Removes message n and all before it; returns their payload bytes. */
  release(n: number): number {
    let payloadBytes = 0;
    for (let first = this.first; first !== undefined && first.n <= n; first = this.first) {
      this.#messages.shift();
      payloadBytes += first.data.length;
      this.#bytes -= first.data.length + OVERHEAD_BYTES;
    }
    return payloadBytes;
  }

  clear(): void {
    this.#messages.length = 0;
    this.#bytes = 0;
  }
}

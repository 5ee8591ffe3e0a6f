/**
 * Joins the pieces in which messages arrive from a NATS server, so that the parser of nats.js gets each message whole. TLS delivers at
 * most 16 KiB at a time, and for a message in pieces that parser grows a buffer step by step. Without it a client that fetches messages
 * of 128 KiB takes 40 to 55 % less user time (docs/performance.md). Here each byte of such a message is copied once, into a buffer of the
 * message's size. The bytes and their order stay the same, whatever they are: the parser alone decides whether they are valid.
 */

import { takeBuffer } from "./message-buffers.ts";

const LF = 0x0a;
/** "MSG subject sid [reply] size" and "HMSG subject sid [reply] headers size": only these are followed by a payload. */
const M = 0x4d;
const H = 0x48;
const CRLF_BYTES = 2;
/** The largest max_payload that nats-server accepts. The parser gets a message that announces more in pieces. */
const PAYLOAD_MAX_BYTES = 64 * 1024 * 1024;
/** nats-server's own limit for the line of a message is 4 KiB; INFO is longer. A longer line is passed on in pieces. */
const LINE_MAX_BYTES = 64 * 1024;

export class WholeMessages {
  /** A message that arrives in pieces: its first `#filled` bytes are here. */
  #message: Buffer | undefined;
  #filled = 0;
  /** The beginning of a line. */
  #line: Buffer | undefined;

  /** The bytes that can be parsed now, in pieces that end with a message. No piece shares memory with `chunk`. */
  add(chunk: Uint8Array): Uint8Array[] {
    const complete: Uint8Array[] = [];
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#message !== undefined) {
      const copied = bytes.copy(this.#message, this.#filled);
      this.#filled += copied;
      if (this.#filled < this.#message.length) return complete;
      complete.push(this.#message);
      this.#message = undefined;
      bytes = bytes.subarray(copied);
    } else if (this.#line !== undefined) {
      bytes = Buffer.concat([this.#line, bytes]);
      this.#line = undefined;
    }
    const end = this.#endOfWhole(bytes);
    if (end > 0) complete.push(Buffer.from(bytes.subarray(0, end)));
    return complete;
  }

  /** Where the last whole message ends. Keeps the bytes behind it. */
  #endOfWhole(bytes: Buffer): number {
    let end = 0;
    while (end < bytes.length) {
      const lineEnd = bytes.indexOf(LF, end);
      if (lineEnd === -1) {
        if (bytes.length - end > LINE_MAX_BYTES) return bytes.length;
        this.#line = Buffer.from(bytes.subarray(end));
        return end;
      }
      const messageEnd = lineEnd + 1 + payloadBytes(bytes, end, lineEnd);
      if (messageEnd > bytes.length) {
        this.#message = takeBuffer(messageEnd - end);
        this.#filled = bytes.copy(this.#message, 0, end);
        return end;
      }
      end = messageEnd;
    }
    return end;
  }
}

/** The bytes that follow the line, with the end of line behind them; 0 for a line that announces none. */
function payloadBytes(bytes: Buffer, start: number, lineEnd: number): number {
  // nats-server writes capital letters only.
  if (bytes[start] !== M && bytes[start] !== H) return 0;
  const size = Number(bytes.toString("latin1", bytes.lastIndexOf(" ", lineEnd) + 1, lineEnd - 1));
  return size >= 0 && size <= PAYLOAD_MAX_BYTES ? size + CRLF_BYTES : 0;
}

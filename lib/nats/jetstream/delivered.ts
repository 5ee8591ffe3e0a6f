/** The size and the position of a message that JetStream has delivered. */
import type { Msg } from "nats";

/**
 * The size that the server counts against max_bytes. nats.js does not expose the length of the header block, so it is
 * added up.
 */
export function messageSizeBytes(msg: Msg): number {
  let sizeBytes = msg.subject.length + (msg.reply?.length ?? 0) + msg.data.length;
  if (msg.headers === undefined) return sizeBytes;
  sizeBytes += "NATS/1.0\r\n\r\n".length;
  for (const [key, values] of msg.headers) {
    for (const value of values) sizeBytes += key.length + value.length + ": \r\n".length;
  }
  return sizeBytes;
}

export interface Position {
  readonly seq: number;
  readonly consumerSeq: number;
  readonly timestampMs: number;
  readonly pending: number;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>`, or with domain and
 * account hash before the stream and a random token at the end (NATS ADR-15).
 */
export function parseAckReply(reply: string): Position | undefined {
  const tokens = reply.split(".");
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK") return undefined;
  const at = tokens.length === 9 ? 5 : 7;
  const [seq, consumerSeq, timeNs, pending] = tokens.slice(at, at + 4).map(Number);
  if (seq === undefined || consumerSeq === undefined || timeNs === undefined || pending === undefined) return undefined;
  if (![seq, consumerSeq, timeNs, pending].every(Number.isFinite)) return undefined;
  return { seq, consumerSeq, timestampMs: Math.floor(timeNs / 1e6), pending };
}

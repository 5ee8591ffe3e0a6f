import { randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { WholeMessages } from "../../../lib/nats/whole-messages.ts";

const test = suite("messages made whole");

const message = (payload: Buffer, subject = "_INBOX.a.1"): Buffer =>
  Buffer.concat([Buffer.from(`MSG ${subject} 3 $JS.ACK.x ${payload.length}\r\n`), payload, Buffer.from("\r\n")]);

/** With headers: the size at the end of the line includes them. */
function withHeaders(payload: Buffer): Buffer {
  const headers = Buffer.from("NATS/1.0 100\r\n\r\n");
  const line = `HMSG _INBOX.a.1 3 ${headers.length} ${headers.length + payload.length}\r\n`;
  return Buffer.concat([Buffer.from(line), headers, payload, Buffer.from("\r\n")]);
}

const INFO = Buffer.from(`INFO {"server_id":"${"x".repeat(6000)}"}\r\n`);
const MESSAGES = [
  INFO,
  Buffer.from("PING\r\n"),
  message(randomBytes(100_000)),
  message(Buffer.alloc(0)),
  withHeaders(Buffer.alloc(0)),
  withHeaders(randomBytes(40_000)),
  Buffer.from("+OK\r\n"),
  // A payload that looks like messages.
  message(Buffer.from("MSG a 1 99999\r\nPING\r\n")),
  Buffer.from("-ERR 'Permissions Violation for Publish to \"MSG a 1 5\"'\r\n"),
  message(randomBytes(16_384)),
  Buffer.from("PONG\r\n"),
];
const STREAM = Buffer.concat(MESSAGES);
/** The offsets at which a message ends. */
const ENDS = new Set(MESSAGES.map((_, n) => Buffer.concat(MESSAGES.slice(0, n + 1)).length));

/** The pieces that come out when the stream goes in by chunks of these sizes, one after the other and again from the first. */
function pieces(stream: Buffer, sizes: readonly number[]): Buffer[] {
  const whole = new WholeMessages();
  const out: Buffer[] = [];
  for (let at = 0, n = 0; at < stream.length; n += 1) {
    const size = sizes[n % sizes.length] ?? 1;
    const chunk = Uint8Array.from(stream.subarray(at, at + size));
    out.push(...whole.add(chunk).map((piece) => Buffer.from(piece)));
    // The socket reads the next bytes into the same memory.
    chunk.fill(0);
    at += size;
  }
  return out;
}

test("the bytes stay the same, and each piece ends with a message, for every size of chunks", () => {
  for (const sizes of [[1], [2, 3], [7, 1000], [16_384], [65_536], [STREAM.length], [13, 16_384, 1, 40_000]]) {
    const out = pieces(STREAM, sizes);
    assert.ok(Buffer.concat(out).equals(STREAM), `chunks of ${sizes}`);
    let end = 0;
    for (const piece of out) {
      end += piece.length;
      assert.ok(ENDS.has(end), `chunks of ${sizes}: a piece ends at ${end}`);
    }
  }
});

test("a message in pieces comes out when its last byte has arrived, not before and not later", () => {
  const one = message(randomBytes(50_000));
  const whole = new WholeMessages();
  assert.equal(whole.add(one.subarray(0, 20)), []);
  assert.equal(whole.add(one.subarray(20, one.length - 1)), []);
  assert.is(whole.add(one.subarray(one.length - 1)).length, 1);
});

test("whole messages of one chunk come out in one piece, in memory of their own", () => {
  const chunk = Buffer.concat([Buffer.from("PING\r\n"), message(randomBytes(1000))]);
  const expected = Buffer.from(chunk);
  const [piece, ...others] = new WholeMessages().add(chunk);
  assert.is(others.length, 0);
  // The socket reads the next bytes into the same memory.
  chunk.fill(0);
  assert.ok(expected.equals(piece ?? Buffer.alloc(0)));
});

test("bytes that are no message of NATS pass to the parser unchanged", () => {
  for (const text of [
    "MSG a 1 lots\r\nrest\r\n",
    "MSG a 1 99999999999\r\nrest\r\n",
    "MSG\r\n",
    "\r\n\r\n",
    "HMSG a 1 5 -3\r\n",
  ]) {
    assert.is(Buffer.concat(pieces(Buffer.from(text), [text.length])).toString(), text);
  }
});

test("a line without an end is kept up to 64 KiB, and passed on beyond", () => {
  const whole = new WholeMessages();
  assert.equal(whole.add(Buffer.alloc(64 * 1024, "x")), []);
  assert.is(Buffer.concat(whole.add(Buffer.from("y"))).length, 64 * 1024 + 1);
});

test.run();

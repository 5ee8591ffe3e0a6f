import { randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Outbound } from "../../../lib/nats/outbound.ts";

const test = suite("outbound bytes of a connection");

/** The frames in the order in which they would be sent, the last one by nats.js. */
function drained(pieces: readonly Uint8Array[]): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const outbound = new Outbound((frame) => frames.push(frame));
  for (const piece of pieces) outbound.fill(piece);
  frames.push(outbound.drain());
  assert.is(outbound.size(), 0);
  assert.is(outbound.length(), 0);
  return frames;
}

test("drain() sends a large payload from its own memory, and joins the small pieces around it", () => {
  const [first, second] = [randomBytes(16 * 1024), randomBytes(100_000)];
  const small = ["HPUB a 1 2\r\n", "headers", "\r\n", "HPUB b 3 4\r\n"].map((text) => Buffer.from(text));
  const frames = drained([...small.slice(0, 2), first, ...small.slice(2), second, Buffer.from("\r\n")]);
  assert.equal(
    frames.map((frame) => frame.length),
    [19, first.length, 14, second.length, 2],
  );
  assert.is(frames[1], first);
  assert.is(frames[3], second);
  assert.is(Buffer.concat(frames).length, 19 + first.length + 14 + second.length + 2);
  assert.is(Buffer.from(frames[0] ?? []).toString(), "HPUB a 1 2\r\nheaders");
  assert.is(Buffer.from(frames[2] ?? []).toString(), "\r\nHPUB b 3 4\r\n");
});

test("drain() joins small messages into one frame, ends with a large payload if that is last, and may be empty", () => {
  assert.equal(
    drained([Buffer.from("PUB a 1\r\n"), Buffer.from("x\r\n")]).map((frame) => Buffer.from(frame).toString()),
    ["PUB a 1\r\nx\r\n"],
  );
  assert.equal(
    drained([Buffer.from("x"), Buffer.alloc(20_000)]).map((frame) => frame.length),
    [1, 20_000],
  );
  assert.equal(
    drained([]).map((frame) => frame.length),
    [0],
  );
});

test.run();

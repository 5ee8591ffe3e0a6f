import { suite } from "uvu";
import * as assert from "uvu/assert";
import { giveBack, takeBuffer } from "../../../lib/nats/message-buffers.ts";

const test = suite("memory of received messages");
const MIB = 2 ** 20;

test("takeBuffer() uses memory again that was given back, for a message of almost the same size", () => {
  const first = takeBuffer(131_200);
  giveBack(first.subarray(100, 200));
  const second = takeBuffer(131_201);
  assert.is(second.length, 131_201);
  assert.is(second.buffer, first.buffer);
  assert.is.not(takeBuffer(131_200).buffer, first.buffer);
});

test("giveBack() ignores memory that is not from takeBuffer(), that is free already, and that is small", () => {
  const other = Buffer.alloc(131_200);
  giveBack(other);
  assert.is.not(takeBuffer(131_200).buffer, other.buffer);
  const twice = takeBuffer(200_000);
  giveBack(twice);
  giveBack(twice);
  assert.is(takeBuffer(200_000).buffer, twice.buffer);
  assert.is.not(takeBuffer(200_000).buffer, twice.buffer);
  const small = takeBuffer(100);
  giveBack(small);
  assert.is.not(takeBuffer(100).buffer, small.buffer);
});

test("giveBack() keeps at most 8 MiB", () => {
  const lent = Array.from({ length: 20 }, () => takeBuffer(MIB));
  for (const one of lent) giveBack(one);
  const taken = new Set(Array.from({ length: 20 }, () => takeBuffer(MIB).buffer));
  const kept = lent.filter((one) => taken.has(one.buffer)).length;
  // The tests above left less than 1 MiB.
  assert.ok(kept === 7 || kept === 8, `${kept} were kept`);
});

test.run();

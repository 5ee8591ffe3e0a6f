import { suite } from "uvu";
import * as assert from "uvu/assert";
import { OVERHEAD_BYTES, SendWindow } from "../../../../lib/nats/jetstream/send-window.ts";

const test = suite("send window");
const bytes = (length: number): Uint8Array => new Uint8Array(length);

test("hasSpaceFor() is bounded by messages and exactly by bytes", () => {
  const window = new SendWindow(2, 2 * OVERHEAD_BYTES + 100);
  window.add("a", bytes(60), 0);
  assert.ok(window.hasSpaceFor(bytes(40)));
  assert.not(window.hasSpaceFor(bytes(41)));
  window.add("a", bytes(1), 0);
  assert.not(window.hasSpaceFor(bytes(0)));
});

test("hasSpaceFor() accepts one message of any size in an empty window", () => {
  assert.ok(new SendWindow(1, 10).hasSpaceFor(bytes(1000)));
});

test("release() removes messages up to n, returns their payload bytes, and ignores released ones", () => {
  const window = new SendWindow(10, 10_000);
  for (const length of [1, 2, 4]) window.add("a", bytes(length), 0);
  assert.is(window.release(2), 3);
  assert.is(window.release(2), 0);
  assert.is(window.first?.n, 3);
  assert.is(window.bytes, 4 + OVERHEAD_BYTES);
  assert.is(window.release(3), 4);
  assert.is(window.bytes, 0);
  assert.is(window.first, undefined);
});

test.run();

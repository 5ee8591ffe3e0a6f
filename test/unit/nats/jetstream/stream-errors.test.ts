import { suite } from "uvu";
import * as assert from "uvu/assert";
import { finalError, StreamFull, StreamNotFound, StreamSealed } from "../../../../lib/nats/jetstream/stream-errors.ts";

const test = suite("stream errors");
const final = (status: number, code: number) => finalError("s", { status, code, text: "message" });

test("finalError() tells a full stream from a missing responder, though both are 503", () => {
  assert.instance(final(503, 10077), StreamFull);
  assert.instance(final(500, 10047), StreamFull);
  assert.is(final(503, 503), undefined);
  assert.is(final(503, 10008), undefined);
});

test("finalError() lets a publisher wait when the disk of NATS is full", () => {
  const text = "write /store/msgs/8.blk: no space left on device";
  assert.is(finalError("s", { status: 503, code: 10077, text }), undefined);
});

test("finalError() returns an error for final refusals only", () => {
  assert.instance(final(400, 10109), StreamSealed);
  assert.instance(final(404, 10059), StreamNotFound);
  assert.is(final(400, 10026), undefined, "too many consumers");
  assert.is(final(400, 10093)?.kind, "infrastructure");
});

test.run();

import { ErrorCode, NatsError } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { explanation } from "../../../../lib/nats/jetstream/stream-failures.ts";

const test = suite("stream failures");

const refused = (code: number, err_code: number, description: string): NatsError => {
  const error = new NatsError(description, ErrorCode.JetStreamNotEnabled);
  error.api_error = { code, err_code, description };
  return error;
};

for (const [failure, error, message] of [
  ["no storage to reserve", refused(500, 10047, "insufficient storage"), /no storage left for build-x/],
  ["a time limit", new NatsError("TIMEOUT", ErrorCode.Timeout), /build-x of NATS does not answer/],
  ["a full disk at a creation", refused(500, 10049, "error creating store for stream"), /cannot write build-x/],
  ["a full disk at a write", refused(503, 10077, "write x.blk: no space left on device"), /cannot write build-x/],
] as const) {
  test(`explanation() names the stream and the remedy for ${failure}`, () => {
    const explained = explanation("build-x", error);
    assert.is(explained?.kind, "infrastructure");
    assert.match(explained?.message ?? "", message);
    assert.ok(explained?.hint);
    assert.is(explained?.cause, error);
  });
}

test("explanation() returns undefined for every other error", () => {
  for (const error of [refused(400, 10109, "sealed"), new Error("a bug")])
    assert.is(explanation("build-x", error), undefined);
});

test.run();

import { ErrorCode, NatsError } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { explained } from "../../../../lib/queue/builds/stream-failures.ts";

const test = suite("stream failures");

const refused = (code: number, err_code: number, description: string): NatsError => {
  const error = new NatsError(description, ErrorCode.JetStreamNotEnabled);
  error.api_error = { code, err_code, description };
  return error;
};

async function thrownFor(error: unknown): Promise<unknown> {
  return Promise.reject(error)
    .catch(explained("build-x"))
    .catch((thrown: unknown) => thrown);
}

for (const [failure, error, message] of [
  ["no storage to reserve", refused(500, 10047, "insufficient storage"), /no storage left for build-x/],
  ["a time limit", new NatsError("TIMEOUT", ErrorCode.Timeout), /stream build-x does not answer/],
  [
    "a full disk at a creation",
    refused(500, 10049, "error creating store for stream"),
    /cannot write the stream build-x/,
  ],
] as const) {
  test(`explained() names the stream and the remedy for ${failure}`, async () => {
    const thrown = await thrownFor(error);
    assert.instance(thrown, CbError);
    assert.match((thrown as CbError).message, message);
    assert.ok((thrown as CbError).hint);
    assert.is((thrown as CbError).cause, error);
  });
}

test("explained() throws every other error as it is", async () => {
  for (const error of [refused(400, 10109, "sealed"), new Error("a bug")]) assert.is(await thrownFor(error), error);
});

test.run();

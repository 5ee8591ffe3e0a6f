import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Readiness } from "../../../lib/queue/watch/readiness.ts";

const test = suite("readiness");

test("Readiness names each reason, and none when NATS, requests and providers are there", () => {
  const readiness = new Readiness(["p"]);
  assert.equal(readiness.reasons(), [
    "not connected to NATS (records, requests, readers)",
    "not subscribed to requests yet",
    "the provider of pool p has not been listed completely since the start",
  ]);
  for (const name of ["records", "requests", "readers"] as const) readiness.setConnected(name, true);
  readiness.setServing();
  readiness.observed("p");
  assert.equal(readiness.reasons(), []);
  readiness.setConnected("requests", false);
  assert.equal(readiness.reasons(), ["not connected to NATS (requests)"]);
  readiness.setConnected("requests", true);
  readiness.setStopping();
  assert.equal(readiness.reasons(), ["cb-queue is stopping"]);
});

test.run();

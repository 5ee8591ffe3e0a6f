import { ErrorCode, type NatsConnection, NatsError } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createLogger } from "../../../../lib/core/log.ts";
import { StreamHealth } from "../../../../lib/nats/jetstream/stream-health.ts";
import { rejection } from "../../../support/rejection.ts";

const test = suite("stream health");

const log = createLogger({ name: "test", level: "silent" });

/** A health with a clock of its own, on a server that replies to PINGs, or does not. */
function healthAt(server: "alive" | "frozen") {
  const clock = { nowMs: 0 };
  const nc = {
    info: {},
    isClosed: () => false,
    flush: () => (server === "alive" ? Promise.resolve() : new Promise(() => undefined)),
  } as unknown as NatsConnection;
  const health = new StreamHealth({ nc, log, nowMs: () => clock.nowMs });
  let calls = 0;
  const silent = () =>
    rejection(
      health.call("build-x", async () => {
        calls += 1;
        throw new NatsError("TIMEOUT", ErrorCode.Timeout);
      }),
    );
  return { health, clock, silent, calls: () => calls };
}

test("call() refuses calls to a silent stream without a call, until 5 s, then 10 s, at most 60 s later", async () => {
  const { clock, silent, calls, health } = healthAt("alive");
  for (const waitMs of [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
    const made = calls();
    await silent();
    assert.is(calls(), made + 1);
    assert.equal(health.faults(), ["build-x of NATS does not answer"]);
    clock.nowMs += waitMs - 1;
    assert.match(String(await silent()), "build-x of NATS does not answer");
    assert.is(calls(), made + 1, `called again before ${waitMs} ms`);
    clock.nowMs += 1;
  }
});

test("call() calls other streams while one is silent, and drops the fault at the first answer", async () => {
  const { clock, silent, health } = healthAt("alive");
  await silent();
  assert.is(await health.call("build-y", async () => 1), 1);
  clock.nowMs += 5_000;
  assert.is(await health.call("build-x", async () => 2), 2);
  assert.equal(health.faults(), []);
});

test("call() takes no stream for silent while the server itself does not answer", async () => {
  const { silent, health } = healthAt("frozen");
  await silent();
  assert.equal(health.faults(), []);
});

test("call() names a stream with a full disk, and goes on calling it", async () => {
  const { health } = healthAt("alive");
  const error = new NatsError("write 8.blk: no space left on device", ErrorCode.JetStreamNotEnabled);
  let calls = 0;
  const full = () =>
    rejection(
      health.call("build-x", async () => {
        calls += 1;
        throw error;
      }),
    );
  assert.match(String(await full()), "cannot write build-x: its disk is full");
  await full();
  assert.is(calls, 2);
  assert.equal(health.faults(), ["NATS cannot write build-x: its disk is full"]);
});

test.run();

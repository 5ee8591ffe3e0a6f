/** StreamReader without outages: order, a bounded window, no consumer left on the server, and exact errors. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { StreamReader } from "../../../lib/nats/jetstream/reader.ts";
import { NotAllowed, StreamNotFound } from "../../../lib/nats/jetstream/stream-errors.ts";
import {
  addStream,
  consumerCount,
  LOG,
  onServer,
  publisherOn,
  type ServerWorld,
  STATE,
  STREAM,
  waitingPulls,
} from "../../support/nats/log-stream.ts";
import { rejection } from "../../support/rejection.ts";
import { until } from "../../support/until.ts";

const test = suite<ServerWorld>("stream reader");
onServer(test);

test("StreamReader reads two subjects in one order, from a sequence, with headers, subject and time", async (world) => {
  await addStream(world);
  const js = world.core.nc.jetstream();
  await js.publish(LOG, "1", { msgID: "first" });
  await js.publish(STATE, "2", { msgID: "second" });
  await js.publish(LOG, "3");
  const reader = new StreamReader(world.guest, { stream: STREAM, filter: "build.b1.*", fromSeq: 2 });
  reader.stopWhenCaughtUp();
  const got: unknown[] = [];
  for await (const { seq, subject, headers, timestampMs, pending } of reader) {
    got.push([seq, subject, headers?.get("Nats-Msg-Id") ?? "", Math.abs(timestampMs - Date.now()) < 10_000, pending]);
  }
  assert.equal(got, [
    [2, STATE, "second", true, 1],
    [3, LOG, "", true, 0],
  ]);
});

test("stopAt() ends at that sequence, from wherever the reader begins; nats-server 2.9.10 counts the messages wrongly", async (world) => {
  await addStream(world);
  const js = world.core.nc.jetstream();
  const order = [STATE, STATE, LOG, LOG, LOG, LOG, LOG, STATE];
  for (const subject of order) await js.publish(subject, "a message");
  // The wrong counts come by chance.
  for (let round = 0; round < 10; round++) {
    for (let fromSeq = 1; fromSeq <= order.length + 1; fromSeq++) {
      const reader = new StreamReader(world.guest, { stream: STREAM, filter: "build.b1.*", fromSeq });
      reader.stopAt(order.length);
      const got: number[] = [];
      for await (const { seq } of reader) got.push(seq);
      assert.equal(
        got,
        order.slice(fromSeq - 1).map((_, at) => fromSeq + at),
        `from ${fromSeq}`,
      );
    }
  }
});

test("StreamReader holds at most its window with a slow caller", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.core);
  for (let n = 0; n < 320; n += 1) await publisher.publish(LOG, Buffer.alloc(100_000, n));
  await publisher.flush();
  publisher.close();
  const reader = new StreamReader(world.guest, { stream: STREAM, filter: LOG, windowBytes: 1024 * 1024 });
  let count = 0;
  for await (const { seq } of reader) {
    count += 1;
    assert.is(seq, count);
    if (count === 320) break;
    if (count % 40 !== 0) continue;
    await until("the window is full, so no pull waits", async () => (await waitingPulls(world, STREAM)) === 0);
  }
  assert.ok(reader.counters.peakBytes > 300_000, `only ${reader.counters.peakBytes} bytes waited`);
  assert.ok(reader.counters.peakBytes <= 1024 * 1024, `${reader.counters.peakBytes} bytes waited`);
  assert.is(reader.counters.reopened, 0);
});

test("StreamReader reads a message that is larger than its window", async (world) => {
  await addStream(world);
  await world.core.nc.jetstream().publish(LOG, Buffer.alloc(5_000_000, 7));
  await world.core.nc.jetstream().publish(LOG, "small");
  const reader = new StreamReader(world.guest, { stream: STREAM, filter: LOG, windowBytes: 200_000 });
  reader.stopWhenCaughtUp();
  const sizes: number[] = [];
  for await (const { data } of reader) sizes.push(data.length);
  assert.equal(sizes, [5_000_000, 5]);
  assert.is(reader.counters.reopened, 0);
});

test("StreamReader deletes its consumer on break, on return() while it waits, and on abort", async (world) => {
  await addStream(world);
  const abort = new AbortController();
  const bySignal = new StreamReader(world.guest, { stream: STREAM, filter: LOG, signal: abort.signal });
  const aborted = bySignal[Symbol.asyncIterator]();
  const byReturn = new StreamReader(world.guest, { stream: STREAM, filter: LOG })[Symbol.asyncIterator]();
  const ends = [aborted.next(), byReturn.next()];
  await until("both readers have a consumer", async () => (await consumerCount(world)) === 2);
  abort.abort();
  await byReturn.return?.();
  assert.equal(
    (await Promise.all(ends)).map(({ done }) => done),
    [true, true],
  );
  await world.core.nc.jetstream().publish(LOG, "x");
  for await (const _ of new StreamReader(world.guest, { stream: STREAM, filter: LOG })) break;
  assert.is(await consumerCount(world), 0);
});

test("StreamReader throws StreamNotFound and NotAllowed", async (world) => {
  const missing = new StreamReader(world.guest, { stream: STREAM, filter: LOG });
  assert.instance(await rejection(missing[Symbol.asyncIterator]().next()), StreamNotFound);
  const forbidden = new StreamReader(world.guest, { stream: "build-b2", filter: "build.b2.log" });
  assert.instance(await rejection(forbidden[Symbol.asyncIterator]().next()), NotAllowed);
});

test.run();

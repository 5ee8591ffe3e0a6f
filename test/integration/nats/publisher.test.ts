/** Publisher without outages: order, a bounded window, and exact errors. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ConnectionClosed, NotAllowed, Stopped, StreamFull } from "../../../lib/nats/jetstream/stream-errors.ts";
import {
  addStream,
  LOG,
  numbered,
  onServer,
  publishAll,
  publisherOn,
  type ServerWorld,
  STATE,
  stored,
} from "../../support/nats/log-stream.ts";
import { nextTurn } from "../../support/pauses.ts";
import { Recorder } from "../../support/recorder.ts";
import { later, rejection } from "../../support/rejection.ts";

const test = suite<ServerWorld>("publisher");
onServer(test);

for (const account of ["core", "guest"] as const) {
  test(`Publisher and StreamReader in ${account}: 20 000 messages arrive complete and in order`, async (world) => {
    await addStream(world);
    const publisher = publisherOn(world[account]);
    const lines = numbered(0, 20_000);
    await publishAll(publisher, lines);
    assert.is(await publisher.flush(), 20_000);
    publisher.close();
    const got = await stored(world[account]);
    assert.ok(got.data.equals(Buffer.concat(lines)));
    assert.is(got.seqs.at(-1), 20_000);
  });
}

test("Publisher keeps the order while another writer publishes to the stream", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.guest, { windowMessages: 200 });
  const lines = numbered(0, 5_000);
  const js = world.core.nc.jetstream();
  const others: Promise<unknown>[] = [];
  for (let at = 0; at < lines.length; at += 100) {
    await publishAll(publisher, lines.slice(at, at + 100));
    others.push(later(js.publish(STATE, Buffer.from(`{"at":${at}}`))));
  }
  await publisher.flush();
  await Promise.all(others);
  const { resent } = publisher.counters;
  publisher.close();
  assert.ok((await stored(world.core)).data.equals(Buffer.concat(lines)));
  assert.is((await stored(world.core, STATE)).messages.length, others.length);
  assert.ok(resent > 0, "the other writer never published in between");
});

test("Publisher rejects with StreamFull at max_bytes, and the stored messages have no gap", async (world) => {
  await addStream(world, { max_bytes: 100_000, discard: "new" });
  const publisher = publisherOn(world.guest);
  const lines = numbered(0, 5_000);
  const error = (await rejection(publishAll(publisher, lines))) ?? (await rejection(publisher.flush()));
  assert.instance(error, StreamFull);
  assert.instance(await rejection(publisher.publish(LOG, Buffer.from("more"))), StreamFull);
  const got = await stored(world.core);
  assert.ok(got.messages.length > 100);
  // nats-server 2.9.10 counts a record's overhead only after it is stored, and then drops the oldest in spite of
  // discard=new.
  const first = (got.seqs[0] ?? 0) - 1;
  assert.ok(first <= 1);
  assert.ok(got.data.equals(Buffer.concat(lines.slice(first, first + got.messages.length))));
});

test("Publisher rejects with NotAllowed on a subject of another build", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.guest);
  await publisher.publish("build.b2.log", Buffer.from("x"));
  assert.instance(await rejection(publisher.flush()), NotAllowed);
});

test("publish() waits while the window is full, and the window stays bounded", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.guest, { windowBytes: 100_000 });
  await world.nats.freeze();
  let accepted = 0;
  const all = later(
    Promise.all(
      Array.from({ length: 50 }, () => publisher.publish(LOG, Buffer.alloc(10_000)).then(() => (accepted += 1))),
    ),
  );
  await nextTurn();
  assert.is(accepted, 9);
  assert.ok(publisher.counters.inFlightBytes <= 100_000);
  world.nats.thaw();
  await all;
  await publisher.flush();
  assert.is(publisher.counters.inFlightBytes, 0);
  publisher.close();
});

test("a waiting publish() rejects with Stopped when the signal is aborted", async (world) => {
  await addStream(world);
  const abort = new AbortController();
  const publisher = publisherOn(world.guest, { signal: abort.signal, windowMessages: 1 });
  await world.nats.freeze();
  await publisher.publish(LOG, Buffer.from("a"));
  const waiting = rejection(publisher.publish(LOG, Buffer.from("b")));
  abort.abort();
  assert.instance(await waiting, Stopped);
  world.nats.thaw();
});

test("a connection closed while no caller waits ends only the publisher, without an unhandled rejection", async (world) => {
  await addStream(world);
  const unhandled = new Recorder<unknown>();
  process.on("unhandledRejection", unhandled.add);
  try {
    const publisher = publisherOn(world.guest, { windowMessages: 1 });
    await world.nats.freeze();
    for (const line of numbered(0, 3)) void publisher.publish(LOG, line);
    void publisher.flush();
    await world.guest.nc.close();
    await nextTurn();
    void publisher.publish(LOG, Buffer.from("late"));
    await nextTurn();
    assert.equal(unhandled.all, []);
    assert.instance(await rejection(publisher.publish(LOG, Buffer.from("later"))), ConnectionClosed);
    assert.instance(await rejection(publisher.flush()), ConnectionClosed);
  } finally {
    process.off("unhandledRejection", unhandled.add);
    world.nats.thaw();
  }
});

test.run();

/** Publisher across outages of connections and servers: no loss, no duplicates, in order. */
import { nanos } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { StreamNotFound } from "../../../lib/nats/jetstream/stream-errors.ts";
import {
  addStream,
  LOG,
  numbered,
  onServer,
  publishAll,
  publisherOn,
  type ServerWorld,
  STREAM,
  stored,
  throughProxy,
} from "../../support/nats/log-stream.ts";
import { Recorder } from "../../support/recorder.ts";
import { later, rejection } from "../../support/rejection.ts";
import { until } from "../../support/until.ts";

const test = suite<ServerWorld>("publisher in an outage");
onServer(test);

test("ten connections closed in the middle of a message cause no loss and no duplicate, and keep the order", async (world) => {
  await addStream(world);
  await throughProxy(world, async (proxy, js) => {
    const publisher = publisherOn(js);
    const lines = numbered(0, 20_000);
    for (let round = 0; round < 10; round += 1) {
      proxy.cutAfter(50_000 + round * 7_001);
      await publishAll(publisher, lines.slice(round * 2000, round * 2000 + 2000));
    }
    await publisher.flush();
    assert.ok(publisher.counters.resent > 0);
    publisher.close();
    const got = await stored(world.core);
    assert.is(got.messages.length, 20_000);
    assert.ok(got.data.equals(Buffer.concat(lines)));
  });
});

test("Publisher reports and waits for a frozen server, without duplicates", async (world) => {
  await addStream(world);
  const waited = new Recorder<number>();
  const publisher = publisherOn(world.guest, { ackTimeoutMs: 300, onWaiting: waited.add });
  await world.nats.freeze();
  const lines = numbered(0, 500);
  await publishAll(publisher, lines);
  // Five reports: a wrong repetition of the window would come before the third.
  await until("five reports", () => waited.all.length >= 5);
  world.nats.thaw();
  await publisher.flush();
  await waited.any((ms) => ms === 0);
  publisher.close();
  assert.ok(waited.all.slice(0, -1).every((ms) => ms >= 300));
  assert.is(waited.all.at(-1), 0);
  assert.ok((await stored(world.core)).data.equals(Buffer.concat(lines)));
});

test("Publisher reports the time since a message was last stored, also after it has sent the window again", async (world) => {
  const waited = new Recorder<number>();
  // No stream stores the message. The window is sent again each time that twice this has passed.
  const ackTimeoutMs = 200;
  const publisher = publisherOn(world.guest, { ackTimeoutMs, onWaiting: waited.add });
  await publisher.publish(LOG, Buffer.from("a line\n"));
  await waited.any((ms) => ms > 10 * ackTimeoutMs && publisher.counters.resent > 2);
  await addStream(world);
  await publisher.flush();
  publisher.close();
});

test("Publisher looks up the last stored message after an outage longer than the duplicate window", async (world) => {
  await addStream(world, { duplicate_window: nanos(100) });
  await throughProxy(world, async (proxy, js) => {
    const waited = new Recorder<number>();
    const publisher = publisherOn(js, { ackTimeoutMs: 300, lookBackAfterMs: 300, onWaiting: waited.add });
    const lines = numbered(0, 100);
    proxy.holdAnswers();
    await publishAll(publisher, lines);
    await until("all messages are stored", async () => (await world.jsm.streams.info(STREAM)).state.messages === 100);
    proxy.refuse();
    // Between two reports lie 300 ms: longer than the duplicate window, which began when the messages were stored.
    for (let report = 0; report < 2; report += 1) await waited.next();
    proxy.admit();
    assert.is(await publisher.flush(), 100);
    await publisher.publish(LOG, Buffer.from("after\n"));
    assert.is(await publisher.flush(), 101);
    publisher.close();
    assert.ok((await stored(world.core)).data.equals(Buffer.concat([...lines, Buffer.from("after\n")])));
  });
});

test("Publisher continues over SIGKILL and restart of the server: each message once, in order", async (world) => {
  await addStream(world);
  const storedBytes = new Recorder<number>();
  const publisher = publisherOn(world.guest, { onStored: storedBytes.add });
  const lines = numbered(0, 6_000);
  for (let round = 0; round < 3; round += 1) {
    const first = storedBytes.next();
    const sent = later(publishAll(publisher, lines.slice(round * 2000, round * 2000 + 2000)));
    // Some messages are stored now, a full window is in flight, and the rest waits.
    await first;
    await world.nats.kill();
    await world.nats.start();
    await sent;
  }
  assert.is(await publisher.flush(), 6_000);
  publisher.close();
  assert.ok((await stored(world.core)).data.equals(Buffer.concat(lines)));
});

/** Resolves when the guest has looked for its last message in the stream that often; see PublisherRecovery. */
async function lookUps({ core }: ServerWorld, count: number): Promise<void> {
  const requests = core.nc.subscribe(`$JS.API.STREAM.MSG.GET.${STREAM}`, { max: count });
  for await (const _ of requests) if (requests.getReceived() >= count) return;
}

test("Publisher waits for a stream that is restored after the server answers", async (world) => {
  const publisher = publisherOn(world.guest, { ackTimeoutMs: 100, lookBackAfterMs: 100 });
  const looked = later(lookUps(world, 4));
  await publishAll(publisher, numbered(0, 3));
  const flushed = later(publisher.flush());
  await Promise.race([looked, flushed]);
  await addStream(world);
  assert.is(await flushed, 3);
  publisher.close();
});

test("Publisher gives up a stream that stays away", async (world) => {
  const publisher = publisherOn(world.guest, { ackTimeoutMs: 100, lookBackAfterMs: 100, isDeleted: (ms) => ms > 300 });
  await publishAll(publisher, numbered(0, 3));
  assert.instance(await rejection(publisher.flush()), StreamNotFound);
});

test.run();

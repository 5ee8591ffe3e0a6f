/** What the publisher promises while connections and servers go and come: nothing lost, nothing twice, in order. */
import { nanos } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
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
import { outageOf } from "../../support/pauses.ts";
import { later } from "../../support/rejection.ts";
import { Seen } from "../../support/seen.ts";
import { until } from "../../support/until.ts";

const test = suite<ServerWorld>("publisher in an outage");
onServer(test);

test("Publisher: ten connections cut in the middle of a message lose nothing, repeat nothing, keep the order", async (world) => {
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

test("Publisher: a frozen server is waited for, reported, and nothing comes twice", async (world) => {
  await addStream(world);
  const waited = new Seen<number>();
  const publisher = publisherOn(world.guest, { ackTimeoutMs: 300, onWaiting: waited.add });
  await world.nats.freeze();
  const lines = numbered(0, 500);
  await publishAll(publisher, lines);
  // Longer than it takes to send again what was only thought lost.
  await waited.any((ms) => ms >= 1_500);
  world.nats.thaw();
  await publisher.flush();
  await waited.any((ms) => ms === 0);
  publisher.close();
  assert.ok(waited.all.slice(0, -1).every((ms) => ms >= 300));
  assert.is(waited.all.at(-1), 0);
  assert.ok((await stored(world.core)).data.equals(Buffer.concat(lines)));
});

test("Publisher looks at the stream after an outage longer than the duplicate window: nothing comes twice", async (world) => {
  await addStream(world, { duplicate_window: nanos(100) });
  await throughProxy(world, async (proxy, js) => {
    const publisher = publisherOn(js, { lookBackAfterMs: 300 });
    const lines = numbered(0, 100);
    proxy.holdAnswers();
    await publishAll(publisher, lines);
    await until("all are stored", async () => (await world.jsm.streams.info(STREAM)).state.messages === 100);
    proxy.refuse();
    await outageOf(500);
    proxy.admit();
    assert.is(await publisher.flush(), 100);
    await publisher.publish(LOG, Buffer.from("after\n"));
    assert.is(await publisher.flush(), 101);
    publisher.close();
    assert.ok((await stored(world.core)).data.equals(Buffer.concat([...lines, Buffer.from("after\n")])));
  });
});

test("Publisher over SIGKILL and restart of the server: all there, in order, once", async (world) => {
  await addStream(world);
  const certain = new Seen<number>();
  const publisher = publisherOn(world.guest, { onStored: certain.add });
  const lines = numbered(0, 6_000);
  for (let round = 0; round < 3; round += 1) {
    const first = certain.next();
    const sent = later(publishAll(publisher, lines.slice(round * 2000, round * 2000 + 2000)));
    // Some are stored now, a window full is on its way, and the rest waits.
    await first;
    await world.nats.kill();
    await world.nats.start();
    await sent;
  }
  assert.is(await publisher.flush(), 6_000);
  publisher.close();
  assert.ok((await stored(world.core)).data.equals(Buffer.concat(lines)));
});

test.run();

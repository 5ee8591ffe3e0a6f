/** Objects on their way while the server goes, stands still, or the taker is slow. */
// slow: servers that stand still for seconds.
import { createHash, randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Stopped } from "../../../lib/nats/jetstream/stream-errors.ts";
import { digestText } from "../../../lib/protocol/object-layout.ts";
import { getObject } from "../../../lib/transfer/get.ts";
import { newObjectId, putObject } from "../../../lib/transfer/put.ts";
import { addBucket, BUCKET, consumers, getAll, MIB, pieces, put } from "../../support/nats/bucket.ts";
import { onServer, type ServerWorld } from "../../support/nats/log-stream.ts";
import { slowTaker } from "../../support/pauses.ts";
import { later, rejection } from "../../support/rejection.ts";
import { Seen } from "../../support/seen.ts";
import { until } from "../../support/until.ts";

const test = suite<ServerWorld>("transfer in an outage");
onServer(test);

test("put and get at the same time over three SIGKILLs of the server: whole, in order, verified", async (world) => {
  await addBucket(world);
  const data = randomBytes(96 * MIB);
  const nuid = newObjectId();
  const waited = new Seen<number>();
  const getting = later(getAll(world.guest, { announced: { nuid, sizeBytes: data.length }, heartbeatMs: 300 }));
  // The source goes on beside the outage: a put whose every chunk was acknowledged before it has nothing to wait for.
  let restarted = Promise.resolve();
  const restart = async (first: boolean): Promise<void> => {
    if (first) await waited.any((ms) => ms >= 1_000);
    await world.nats.start();
  };
  const source = pieces(data, MIB, async (at) => {
    if (![12, 40, 68].includes(at / MIB)) return;
    await restarted;
    await world.nats.kill();
    restarted = later(restart(at === 12 * MIB));
  });
  const object = await putObject(world.guest, source, {
    bucket: BUCKET,
    name: "image",
    nuid,
    ackTimeoutMs: 1_000,
    onWaiting: waited.add,
  });
  const got = await getting;
  assert.ok(got.data.equals(data));
  assert.is(object.digest, digestText(createHash("sha256").update(data).digest()));
  // A connection of its own: the other one may still be on its way back.
  const stock = await (await world.nats.connect("core")).jetstream().views.os(BUCKET);
  const stored = await stock.getBlob("image");
  assert.ok(stored !== null && Buffer.from(stored).equals(data));
});

test("getObject() with a slow taker holds its window and no more", async (world) => {
  await addBucket(world);
  const data = randomBytes(32 * MIB);
  await put(world.core, data);
  const chunks = getObject(world.guest, { bucket: BUCKET, name: "image", windowBytes: 2 * MIB });
  const before = world.guest.nc.stats().inBytes;
  let taken = 0;
  for await (const chunk of chunks) {
    taken += chunk.length;
    if (taken % (4 * MIB) !== 0) continue;
    await slowTaker();
    const ahead = world.guest.nc.stats().inBytes - before - taken;
    assert.ok(ahead <= 2 * MIB + 64 * 1024, `${ahead} bytes ahead of the taker`);
  }
  assert.is(taken, data.length);
});

test("putObject() and getObject() end with Stopped by their signal, also while the server is frozen, and leave no consumer", async (world) => {
  await addBucket(world);
  const announced = { nuid: newObjectId(), sizeBytes: 100 * MIB };
  const stop = new AbortController();
  const both = [
    rejection(getAll(world.guest, { announced, signal: stop.signal })),
    rejection(put(world.guest, randomBytes(64 * MIB), { nuid: announced.nuid, signal: stop.signal, windowBytes: MIB })),
  ];
  await until("both readers are there", async () => (await consumers(world)) === 2);
  stop.abort();
  for (const error of await Promise.all(both)) assert.instance(error, Stopped);
  assert.is(await consumers(world), 0);

  const frozen = new AbortController();
  await world.nats.freeze();
  const { outMsgs } = world.guest.nc.stats();
  const waiting = [
    rejection(getAll(world.guest, { announced, signal: frozen.signal })),
    rejection(put(world.guest, randomBytes(MIB), { signal: frozen.signal })),
  ];
  // Two consumers are asked for and two chunks are sent: nothing more goes out without an answer.
  await until("both wait for the server", () => world.guest.nc.stats().outMsgs >= outMsgs + 4);
  frozen.abort();
  for (const error of await Promise.all(waiting)) assert.instance(error, Stopped);
  world.nats.thaw();
});

test.run();

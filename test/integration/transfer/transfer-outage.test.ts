/** Transfers while the server is killed or frozen, or the caller is slow. */
// slow: the server is frozen for seconds.
import { createHash, randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Stopped } from "../../../lib/nats/jetstream/stream-errors.ts";
import { digestText } from "../../../lib/protocol/object-layout.ts";
import { getObject } from "../../../lib/transfer/get.ts";
import { newObjectId, putObject } from "../../../lib/transfer/put.ts";
import { addBucket, BUCKET, BUCKET_STREAM, consumers, getAll, MIB, pieces, put } from "../../support/nats/bucket.ts";
import { onServer, type ServerWorld, waitingPulls } from "../../support/nats/log-stream.ts";
import { Recorder } from "../../support/recorder.ts";
import { later, rejection } from "../../support/rejection.ts";
import { until } from "../../support/until.ts";

const test = suite<ServerWorld>("transfer in an outage");
onServer(test);

test("a concurrent put and get continue over three SIGKILLs of the server, complete and verified", async (world) => {
  await addBucket(world);
  const data = randomBytes(96 * MIB);
  const nuid = newObjectId();
  const waited = new Recorder<number>();
  const getting = later(getAll(world.guest, { announced: { nuid, sizeBytes: data.length }, heartbeatMs: 300 }));
  // The source continues during the outage; otherwise a put with every chunk acknowledged would report no waiting.
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
  // A new connection, because the other one may not be connected again yet.
  const standard = await (await world.nats.connect("core")).jetstream().views.os(BUCKET);
  const stored = await standard.getBlob("image");
  assert.ok(stored !== null && Buffer.from(stored).equals(data));
});

test("getObject() with a slow caller receives no more than its window", async (world) => {
  await addBucket(world);
  const data = randomBytes(32 * MIB);
  await put(world.core, data);
  const chunks = getObject(world.guest, { bucket: BUCKET, name: "image", windowBytes: 2 * MIB });
  const before = world.guest.nc.stats().inBytes;
  let yielded = 0;
  for await (const chunk of chunks) {
    yielded += chunk.length;
    if (yielded % (4 * MIB) !== 0 || yielded === data.length) continue;
    await until("the window is full, so no pull waits", async () => (await waitingPulls(world, BUCKET_STREAM)) === 0);
    const ahead = world.guest.nc.stats().inBytes - before - yielded;
    assert.ok(ahead <= 2 * MIB + 64 * 1024, `${ahead} bytes ahead of the caller`);
  }
  assert.is(yielded, data.length);
});

test("putObject() and getObject() throw Stopped when aborted, also with a frozen server, and leave no consumer", async (world) => {
  await addBucket(world);
  const announced = { nuid: newObjectId(), sizeBytes: 100 * MIB };
  const stop = new AbortController();
  const both = [
    rejection(getAll(world.guest, { announced, signal: stop.signal })),
    rejection(put(world.guest, randomBytes(64 * MIB), { nuid: announced.nuid, signal: stop.signal, windowBytes: MIB })),
  ];
  await until("both readers have a consumer", async () => (await consumers(world)) === 2);
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
  // Two requests for consumers and two chunks: without replies nothing further is sent.
  await until("both wait for the server", () => world.guest.nc.stats().outMsgs >= outMsgs + 4);
  frozen.abort();
  for (const error of await Promise.all(waiting)) assert.instance(error, Stopped);
  world.nats.thaw();
});

test.run();

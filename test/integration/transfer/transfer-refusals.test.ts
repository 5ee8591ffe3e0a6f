/** Each damaged, missing, forbidden or too large object has its error. */
import { createHash, randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NotAllowed, StreamFull, StreamNotFound } from "../../../lib/nats/jetstream/stream-errors.ts";
import { chunkSubject, digestText, metaJson, metaSubject } from "../../../lib/protocol/object-layout.ts";
import { findObject, ObjectDamaged } from "../../../lib/transfer/get.ts";
import { newObjectId, putObject, type StoredObject } from "../../../lib/transfer/put.ts";
import { addBucket, BUCKET, BUCKET_STREAM, consumers, getAll, MIB, put } from "../../support/nats/bucket.ts";
import { onServer, type ServerWorld } from "../../support/nats/log-stream.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<ServerWorld>("transfer refusals");
onServer(test);

test("getObject() throws ObjectDamaged on a wrong digest, a missing chunk, or more bytes than announced", async (world) => {
  await addBucket(world);
  const data = randomBytes(10_000);
  const object = await put(world.core, data, { chunkBytes: 1000 });
  const js = world.core.nc.jetstream();
  const meta = (fields: Partial<StoredObject>): Promise<unknown> =>
    js.publish(
      metaSubject(BUCKET, "image"),
      metaJson({ ...object, ...fields, bucket: BUCKET, name: "image", chunkBytes: 1000 }),
    );
  const announced = { nuid: object.nuid };
  assert.instance(
    await rejection(getAll(world.guest, { announced: { ...announced, sizeBytes: 9_999 } })),
    ObjectDamaged,
  );

  assert.match(
    String(await rejection(getAll(world.guest, { announced: { ...announced, sizeBytes: 10_001 } }))),
    "it has 10000 bytes, but 10001 were announced",
  );

  await meta({ digest: digestText(createHash("sha256").update("other").digest()) });
  const error = await rejection(getAll(world.guest));
  assert.instance(error, ObjectDamaged);
  assert.match(String(error), "digest");

  await meta({ sizeBytes: 10_001 });
  assert.match(String(await rejection(getAll(world.guest))), "10000 of its 10001");
  await meta({ sizeBytes: 9_999 });
  assert.match(String(await rejection(getAll(world.guest))), "9999");

  await world.jsm.streams.purge(BUCKET_STREAM, { filter: chunkSubject(BUCKET, object.nuid) });
  await meta({});
  assert.match(String(await rejection(getAll(world.guest))), "0 of its 10000");
  assert.is(await consumers(world), 0);
});

test("getObject() of an announced object with lost chunks ends when the meta message arrives", async (world) => {
  await addBucket(world);
  const nuid = newObjectId();
  const getting = rejection(getAll(world.guest, { announced: { nuid } }));
  await put(world.core, randomBytes(5_000), { name: "image", nuid: newObjectId(), chunkBytes: 1000 });
  const wrongObject = { nuid, sizeBytes: 5, chunks: 1, digest: digestText(createHash("sha256").digest()) };
  const js = world.core.nc.jetstream();
  await js.publish(
    metaSubject(BUCKET, "image"),
    metaJson({ ...wrongObject, bucket: BUCKET, name: "image", chunkBytes: 5 }),
  );
  assert.instance(await getting, ObjectDamaged);
});

test("findObject() and getObject() tell a missing object from a missing bucket and from a missing permission", async (world) => {
  assert.instance(await rejection(getAll(world.guest)), StreamNotFound);
  await addBucket(world);
  assert.is(await findObject(world.guest, BUCKET, "image"), undefined);
  assert.match(String(await rejection(getAll(world.guest))), "there is no complete object image");
  assert.instance(await rejection(findObject(world.guest, "build-b2", "image")), NotAllowed);
  await put(world.guest, randomBytes(10));
  assert.is((await findObject(world.guest, BUCKET, "image"))?.sizeBytes, 10);
});

test("putObject() rejects with StreamFull if the bucket is full, and with the error of its source", async (world) => {
  await addBucket(world, 4 * MIB);
  assert.instance(await rejection(put(world.guest, randomBytes(8 * MIB))), StreamFull);
  const broken = (async function* () {
    yield randomBytes(10);
    throw new Error("the disk is gone");
  })();
  assert.match(
    String(await rejection(putObject(world.guest, broken, { bucket: BUCKET, name: "x" }))),
    "the disk is gone",
  );
  assert.is(await findObject(world.guest, BUCKET, "x"), undefined);
});

test.run();

/** Objects are compatible with the object store client of nats.js (the standard client) in both directions. */
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ObjectStore } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Stopped } from "../../../lib/nats/jetstream/stream-errors.ts";
import {
  chunkSubject,
  digestText,
  metaJson,
  metaSubject,
  type StoredObject,
} from "../../../lib/protocol/object-layout.ts";
import { getObject, ObjectDamaged } from "../../../lib/transfer/get.ts";
import { newObjectId, putFile, putObject } from "../../../lib/transfer/put.ts";
import { receiveFile } from "../../../lib/transfer/receive-file.ts";
import { addBucket, BUCKET, BUCKET_STREAM, consumers, getAll, MIB, pieces, put } from "../../support/nats/bucket.ts";
import { onServer, type ServerWorld } from "../../support/nats/log-stream.ts";
import { Recorder } from "../../support/recorder.ts";
import { later, rejection } from "../../support/rejection.ts";

const test = suite<ServerWorld & { dir: string }>("transfer");
onServer(test);
test.before.each(async (world) => {
  world.dir = await mkdtemp(join(tmpdir(), "cb-transfer-"));
});
test.after.each(({ dir }) => rm(dir, { recursive: true, force: true }));

/**
 * The standard client sends 64 MiB at once, and by default fails if they are not stored within 5 s, which a busy disk
 * can exceed.
 */
const standardBucket = ({ core }: ServerWorld): Promise<ObjectStore> =>
  core.nc.jetstream({ timeout: 60_000 }).views.os(BUCKET);

test("the standard client gets the 64 MiB that putObject() put with the permissions of a guest", async (world) => {
  await addBucket(world);
  const data = randomBytes(64 * MIB + 12_345);
  const progress: number[] = [];
  const object = await put(world.guest, data, { onProgress: (bytes) => progress.push(bytes) });
  assert.is(object.sizeBytes, data.length);
  assert.is(object.chunks, 513);
  assert.is(progress.at(-1), data.length);
  const standard = await standardBucket(world);
  const info = await standard.info("image");
  assert.is(info?.digest, object.digest);
  assert.is(info?.nuid, object.nuid);
  assert.is(info?.options?.max_chunk_size, 128 * 1024);
  const got = await standard.getBlob("image");
  assert.ok(got !== null && Buffer.from(got).equals(data));
  await checkBucket(world, standard, object);
});

/** The bucket holds one message per chunk, one meta message, and no other object. */
async function checkBucket({ jsm }: ServerWorld, standard: ObjectStore, object: StoredObject): Promise<void> {
  const chunks = chunkSubject(BUCKET, object.nuid);
  const { state } = await jsm.streams.info(BUCKET_STREAM, { subjects_filter: ">" });
  assert.equal(state.subjects, { [chunks]: object.chunks, [metaSubject(BUCKET, "image")]: 1 });
  assert.ok(state.bytes > object.sizeBytes);
  assert.is((await standard.status()).size, state.bytes);
  assert.equal(
    (await standard.list()).map(({ name, size }) => [name, size]),
    [["image", object.sizeBytes]],
  );
}

test("getObject() gets with the permissions of a guest the 64 MiB that the standard client put", async (world) => {
  const data = randomBytes(64 * MIB + 1);
  const standard = await standardBucket(world);
  const info = await standard.putBlob({ name: "image" }, data);
  const progress: number[] = [];
  const { data: got, object } = await getAll(world.guest, { onProgress: (bytes) => progress.push(bytes) });
  assert.ok(got.equals(data));
  assert.is(object.digest, info.digest);
  assert.is(progress.at(-1), data.length);
  assert.is(await consumers(world), 0);
});

test("objects of 0 bytes, 1 byte and exactly two chunks are compatible in both directions", async (world) => {
  await addBucket(world);
  const standard = await standardBucket(world);
  for (const [size, chunks] of [
    [0, 0],
    [1, 1],
    [2000, 2],
  ] as const) {
    const data = randomBytes(size);
    const object = await put(world.guest, data, { chunkBytes: 1000 });
    assert.is(object.chunks, chunks);
    assert.ok(Buffer.from((await standard.getBlob("image")) ?? []).equals(data));
    const announced = { nuid: object.nuid };
    assert.ok((await getAll(world.guest)).data.equals(data));
    assert.ok((await getAll(world.guest, { announced })).data.equals(data));
    assert.ok((await getAll(world.guest, { announced: { ...announced, sizeBytes: size } })).data.equals(data));
  }
});

for (const sizeKnown of [true, false]) {
  test(`getObject() follows an object that is being put, its size ${sizeKnown ? "announced" : "unknown"}`, async (world) => {
    await addBucket(world);
    const data = randomBytes(8 * MIB);
    const nuid = newObjectId();
    const received = new Recorder<number>();
    const announced = sizeKnown ? { nuid, sizeBytes: data.length } : { nuid };
    const getting = later(getAll(world.guest, { announced, onProgress: received.add }));
    // The writer continues only when the reader has all chunks so far, so the reader does not wait for the end.
    const source = pieces(data, MIB, (at) => received.any((bytes) => bytes >= at + MIB));
    const object = await putObject(world.guest, source, {
      bucket: BUCKET,
      name: "image",
      nuid,
      chunkBytes: 256 * 1024,
    });
    const got = await getting;
    assert.ok(got.data.equals(data));
    assert.equal(got.object, object);
    assert.is(await consumers(world), 0);
  });
}

test("putFile() and receiveFile() copy a file; an abort or damage leaves no partial file", async (world) => {
  await addBucket(world);
  const source = join(world.dir, "source");
  const target = join(world.dir, "image.sif");
  const data = randomBytes(5 * MIB + 7);
  await writeFile(source, data);
  const object = await putFile(world.guest, source, { bucket: BUCKET, name: "image" });
  const options = { bucket: BUCKET, name: "image" };
  const received = await receiveFile(getObject(world.guest, options), { path: target, force: false });
  await received.place();
  assert.equal(received.result, object);
  assert.ok((await readFile(target)).equals(data));

  const stop = new AbortController();
  const announced = { nuid: object.nuid, sizeBytes: data.length + 1 };
  const onProgress = (bytes: number): void => {
    if (bytes === data.length) stop.abort();
  };
  const stopped = getObject(world.guest, { ...options, announced, signal: stop.signal, onProgress });
  assert.instance(await rejection(receiveFile(stopped, { path: target, force: true })), Stopped);
  const js = world.core.nc.jetstream();
  const digest = digestText(createHash("sha256").digest());
  await js.publish(metaSubject(BUCKET, "image"), metaJson({ ...object, digest, ...options, chunkBytes: 1 }));
  assert.instance(
    await rejection(receiveFile(getObject(world.guest, options), { path: target, force: true })),
    ObjectDamaged,
  );
  assert.equal((await readdir(world.dir)).sort(), ["image.sif", "source"]);
  assert.ok((await readFile(target)).equals(data));
  assert.is(await consumers(world), 0);
});

test.run();

/** Objects go both ways, and the stock client of nats.js reads what we wrote and we what it wrote. */
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
import { later, rejection } from "../../support/rejection.ts";
import { Seen } from "../../support/seen.ts";

const test = suite<ServerWorld & { dir: string }>("transfer");
onServer(test);
test.before.each(async (world) => {
  world.dir = await mkdtemp(join(tmpdir(), "cb-transfer-"));
});
test.after.each(({ dir }) => rm(dir, { recursive: true, force: true }));

/** The stock client puts 64 MiB at once and gives up when the last of it is not stored in 5 s, which a busy disk takes. */
const stockBucket = ({ core }: ServerWorld): Promise<ObjectStore> =>
  core.nc.jetstream({ timeout: 60_000 }).views.os(BUCKET);

test("the stock client gets the 64 MiB that putObject() put with a guest's rights", async (world) => {
  await addBucket(world);
  const data = randomBytes(64 * MIB + 12_345);
  const progress: number[] = [];
  const object = await put(world.guest, data, { onProgress: (bytes) => progress.push(bytes) });
  assert.is(object.sizeBytes, data.length);
  assert.is(object.chunks, 513);
  assert.is(progress.at(-1), data.length);
  const stock = await stockBucket(world);
  const info = await stock.info("image");
  assert.is(info?.digest, object.digest);
  assert.is(info?.nuid, object.nuid);
  assert.is(info?.options?.max_chunk_size, 128 * 1024);
  const got = await stock.getBlob("image");
  assert.ok(got !== null && Buffer.from(got).equals(data));
  await serverSees(world, stock, object);
});

/** The server counts a message for each chunk and one for the description; its bucket holds this object and no other. */
async function serverSees({ jsm }: ServerWorld, stock: ObjectStore, object: StoredObject): Promise<void> {
  const chunks = chunkSubject(BUCKET, object.nuid);
  const { state } = await jsm.streams.info(BUCKET_STREAM, { subjects_filter: ">" });
  assert.equal(state.subjects, { [chunks]: object.chunks, [metaSubject(BUCKET, "image")]: 1 });
  assert.ok(state.bytes > object.sizeBytes);
  assert.is((await stock.status()).size, state.bytes);
  assert.equal(
    (await stock.list()).map(({ name, size }) => [name, size]),
    [["image", object.sizeBytes]],
  );
}

test("getObject() gets with a guest's rights the 64 MiB that the stock client put", async (world) => {
  const data = randomBytes(64 * MIB + 1);
  const stock = await stockBucket(world);
  const info = await stock.putBlob({ name: "image" }, data);
  const progress: number[] = [];
  const { data: got, object } = await getAll(world.guest, { onProgress: (bytes) => progress.push(bytes) });
  assert.ok(got.equals(data));
  assert.is(object.digest, info.digest);
  assert.is(progress.at(-1), data.length);
  assert.is(await consumers(world), 0);
});

test("objects of 0, 1 and exactly two chunks' bytes go both ways", async (world) => {
  await addBucket(world);
  const stock = await stockBucket(world);
  for (const [size, chunks] of [
    [0, 0],
    [1, 1],
    [2000, 2],
  ] as const) {
    const data = randomBytes(size);
    const object = await put(world.guest, data, { chunkBytes: 1000 });
    assert.is(object.chunks, chunks);
    assert.ok(Buffer.from((await stock.getBlob("image")) ?? []).equals(data));
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
    const received = new Seen<number>();
    const announced = sizeKnown ? { nuid, sizeBytes: data.length } : { nuid };
    const getting = later(getAll(world.guest, { announced, onProgress: received.add }));
    // The putter goes on only when the reader has what was put so far: it is not waiting for the end.
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

test("putFile() to receiveFile(): the file is the same; stopped or damaged, nothing is left", async (world) => {
  await addBucket(world);
  const source = join(world.dir, "source");
  const target = join(world.dir, "image.sif");
  const data = randomBytes(5 * MIB + 7);
  await writeFile(source, data);
  const object = await putFile(world.guest, source, { bucket: BUCKET, name: "image" });
  const options = { bucket: BUCKET, name: "image" };
  const received = await receiveFile(getObject(world.guest, options), { path: target, force: false });
  assert.equal(received, object);
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

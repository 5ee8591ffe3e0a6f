import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { JetStreamManager } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { JetStreamAccess } from "../../lib/bus/jetstream-api.ts";
import { chunkSubject, digestText, metaJson, metaSubject } from "../../lib/bus/object-layout.ts";
import { NotAllowed, Stopped, StreamFull, StreamNotFound } from "../../lib/bus/stream-errors.ts";
import { findObject, type GetOptions, getObject, ObjectDamaged } from "../../lib/transfer/get.ts";
import { newObjectId, putFile, putObject, type StoredObject } from "../../lib/transfer/put.ts";
import { receiveFile } from "../../lib/transfer/receive-file.ts";
import { GUEST_API_PREFIX, type PlainNats, startPlainNats } from "../support/plain-nats.ts";

const BUCKET = "build-b1";
const MIB = 1024 * 1024;

interface World {
  nats: PlainNats;
  core: JetStreamAccess;
  guest: JetStreamAccess;
  jsm: JetStreamManager;
  dir: string;
}

const test = suite<World>("transfer");

test.before.each(async (world) => {
  world.dir = await mkdtemp(join(tmpdir(), "cb-transfer-"));
  world.nats = await startPlainNats();
  const core = await world.nats.connect("core");
  world.core = { nc: core, apiPrefix: "$JS.API", inboxPrefix: "_INBOX.core" };
  world.guest = { nc: await world.nats.connect("guest"), apiPrefix: GUEST_API_PREFIX, inboxPrefix: "_INBOX.guest" };
  world.jsm = await core.jetstreamManager();
});
test.after.each(async (world) => {
  await world.nats.stop();
  await rm(world.dir, { recursive: true, force: true });
});

/** As the queue makes it: no rollups, discard=new, bounded. */
async function addBucket(world: World, maxBytes = 1024 * MIB): Promise<void> {
  await world.jsm.streams.add({
    name: `OBJ_${BUCKET}`,
    subjects: [`$O.${BUCKET}.C.>`, `$O.${BUCKET}.M.>`],
    max_bytes: maxBytes,
    discard: "new" as never,
    allow_rollup_hdrs: false,
  });
}

const consumers = async (world: World): Promise<number> =>
  (await world.jsm.streams.info(`OBJ_${BUCKET}`)).state.consumer_count;

async function* pieces(
  data: Uint8Array,
  pieceBytes: number,
  between?: (at: number) => Promise<unknown>,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += pieceBytes) {
    yield data.subarray(at, at + pieceBytes);
    await between?.(at);
  }
}

async function getAll(
  js: JetStreamAccess,
  options: Partial<GetOptions> = {},
): Promise<{ data: Buffer; object: StoredObject }> {
  const parts: Uint8Array[] = [];
  const chunks = getObject(js, { bucket: BUCKET, name: "image", ...options });
  for (;;) {
    const step = await chunks.next();
    if (step.done) return { data: Buffer.concat(parts), object: step.value };
    parts.push(step.value);
  }
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

const put = (
  js: JetStreamAccess,
  data: Uint8Array,
  more: Partial<Parameters<typeof putObject>[2]> = {},
): Promise<StoredObject> => putObject(js, pieces(data, 100_000), { bucket: BUCKET, name: "image", ...more });

test("the stock client gets the 64 MiB that putObject() put with a guest's rights", async (world) => {
  await addBucket(world);
  const data = randomBytes(64 * MIB + 12_345);
  const progress: number[] = [];
  const object = await put(world.guest, data, { onProgress: (bytes) => progress.push(bytes) });
  assert.is(object.sizeBytes, data.length);
  assert.is(object.chunks, 129);
  assert.is(progress.at(-1), data.length);
  const stock = await world.core.nc.jetstream().views.os(BUCKET);
  const info = await stock.info("image");
  assert.is(info?.digest, object.digest);
  assert.is(info?.nuid, object.nuid);
  assert.is(info?.options?.max_chunk_size, 512 * 1024);
  const got = await stock.getBlob("image");
  assert.ok(got !== null && Buffer.from(got).equals(data));
});

test("getObject() gets with a guest's rights the 64 MiB that the stock client put", async (world) => {
  const data = randomBytes(64 * MIB + 1);
  const stock = await world.core.nc.jetstream().views.os(BUCKET);
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
  const stock = await world.core.nc.jetstream().views.os(BUCKET);
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
    let received = 0;
    const announced = sizeKnown ? { nuid, sizeBytes: data.length } : { nuid };
    const getting = getAll(world.guest, { announced, onProgress: (bytes) => (received = bytes) });
    // The putter goes on only when the reader has what was put so far: it is not waiting for the end.
    const source = pieces(data, MIB, async (at) => {
      while (received < at + MIB) await sleep(2);
    });
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

test("put and get at the same time over three SIGKILLs of the server: whole, in order, verified", async (world) => {
  await addBucket(world);
  const data = randomBytes(96 * MIB);
  const nuid = newObjectId();
  const waited: number[] = [];
  const getting = getAll(world.guest, { announced: { nuid, sizeBytes: data.length }, heartbeatMs: 300 });
  const source = pieces(data, MIB, async (at) => {
    if (at % (24 * MIB) !== 12 * MIB) return;
    await world.nats.kill();
    await sleep(at === 12 * MIB ? 2_000 : 10);
    await world.nats.start();
  });
  const object = await putObject(world.guest, source, {
    bucket: BUCKET,
    name: "image",
    nuid,
    ackTimeoutMs: 1_000,
    onWaiting: (ms) => waited.push(ms),
  });
  const got = await getting;
  assert.ok(got.data.equals(data));
  assert.is(object.digest, digestText(createHash("sha256").update(data).digest()));
  assert.ok(waited.some((ms) => ms >= 1_000));
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
    await sleep(60);
    const ahead = world.guest.nc.stats().inBytes - before - taken;
    assert.ok(ahead <= 2 * MIB + 64 * 1024, `${ahead} bytes ahead of the taker`);
  }
  assert.is(taken, data.length);
});

test("getObject() throws ObjectDamaged when the digest differs, a chunk is missing, or more comes than was announced", async (world) => {
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

  await meta({ digest: digestText(createHash("sha256").update("other").digest()) });
  const error = await rejection(getAll(world.guest));
  assert.instance(error, ObjectDamaged);
  assert.match(String(error), "digest");

  await meta({ sizeBytes: 10_001 });
  assert.match(String(await rejection(getAll(world.guest))), "10000 of 10001");
  await meta({ sizeBytes: 9_999 });
  assert.match(String(await rejection(getAll(world.guest))), "9999");

  await world.jsm.streams.purge(`OBJ_${BUCKET}`, { filter: chunkSubject(BUCKET, object.nuid) });
  await meta({});
  assert.match(String(await rejection(getAll(world.guest))), "0 of 10000");
  assert.is(await consumers(world), 0);
});

test("getObject() of an announced object whose chunks are lost ends when its meta message is there", async (world) => {
  await addBucket(world);
  const nuid = newObjectId();
  const getting = rejection(getAll(world.guest, { announced: { nuid } }));
  await put(world.core, randomBytes(5_000), { name: "image", nuid: newObjectId(), chunkBytes: 1000 });
  const lie = { nuid, sizeBytes: 5, chunks: 1, digest: digestText(createHash("sha256").digest()) };
  const js = world.core.nc.jetstream();
  await js.publish(metaSubject(BUCKET, "image"), metaJson({ ...lie, bucket: BUCKET, name: "image", chunkBytes: 5 }));
  assert.instance(await getting, ObjectDamaged);
});

test("findObject() and getObject() tell a missing object from a missing bucket and from missing rights", async (world) => {
  assert.instance(await rejection(getAll(world.guest)), StreamNotFound);
  await addBucket(world);
  assert.is(await findObject(world.guest, BUCKET, "image"), undefined);
  assert.match(String(await rejection(getAll(world.guest))), "there is no object image");
  assert.instance(await rejection(findObject(world.guest, "build-b2", "image")), NotAllowed);
  await put(world.guest, randomBytes(10));
  assert.is((await findObject(world.guest, BUCKET, "image"))?.sizeBytes, 10);
});

test("putObject() rejects with StreamFull when the bucket is full, and with what its source throws", async (world) => {
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

test("putObject() and getObject() end with Stopped by their signal, also while the server is frozen, and leave no consumer", async (world) => {
  await addBucket(world);
  const announced = { nuid: newObjectId(), sizeBytes: 100 * MIB };
  const stop = new AbortController();
  const both = [
    rejection(getAll(world.guest, { announced, signal: stop.signal })),
    rejection(put(world.guest, randomBytes(64 * MIB), { nuid: announced.nuid, signal: stop.signal, windowBytes: MIB })),
  ];
  while ((await consumers(world)) < 2) await sleep(5);
  stop.abort();
  for (const error of await Promise.all(both)) assert.instance(error, Stopped);
  assert.is(await consumers(world), 0);

  const frozen = new AbortController();
  await world.nats.freeze();
  const waiting = [
    rejection(getAll(world.guest, { announced, signal: frozen.signal })),
    rejection(put(world.guest, randomBytes(MIB), { signal: frozen.signal })),
  ];
  await sleep(100);
  frozen.abort();
  for (const error of await Promise.all(waiting)) assert.instance(error, Stopped);
  world.nats.thaw();
});

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

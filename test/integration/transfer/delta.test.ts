/**
 * receiveImage() with an older image: only chunks that it lacks are fetched. A list that lies, an old file that changes and messages
 * that are missing cost time alone: the image then comes whole.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { JetStreamAccess } from "../../../lib/nats/jetstream/api.ts";
import { chunkSubject, digestText, metaJson, metaSubject } from "../../../lib/protocol/object-layout.ts";
import { CHUNK_LIST, type Chunk, encodeChunkList } from "../../../lib/transfer/delta/chunk-list.ts";
import { CHUNK_MAX_BYTES, CHUNK_MIN_BYTES } from "../../../lib/transfer/delta/chunking.ts";
import { OldFile } from "../../../lib/transfer/delta/old-file.ts";
import { type ReceivedImage, receiveImage } from "../../../lib/transfer/delta/receive-image.ts";
import { newObjectId, putObject } from "../../../lib/transfer/put.ts";
import { Random } from "../../sim/random.ts";
import { addBucket, BUCKET, BUCKET_STREAM, getAll, MIB } from "../../support/nats/bucket.ts";
import { onServer, type ServerWorld, throughProxy } from "../../support/nats/log-stream.ts";
import { rejection } from "../../support/rejection.ts";
import { cut, edit, listOf } from "../../support/transfer/edited.ts";

interface World extends ServerWorld {
  folder: string;
}

const test = suite<World>("delta");
onServer(test);
test.before.each(async (world) => {
  await addBucket(world);
  world.folder = mkdtempSync(join(tmpdir(), "cb-delta-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

/** Bytes that begin as a SIF file. */
function sif(bytes: number): Buffer {
  const data = randomBytes(bytes);
  data.write("SIF_MAGIC", 32);
  return data;
}

const OLD = sif(6 * MIB);
const NEW = edit(new Random(1), OLD, 1);

/** Stores the list and then the image, as an agent does. */
async function store({ core }: World, image: Buffer, list: readonly Chunk[] | Buffer = listOf(image)): Promise<string> {
  const bytes = Buffer.isBuffer(list) ? list : encodeChunkList(list);
  await putObject(core, Readable.from([bytes]), { bucket: BUCKET, name: CHUNK_LIST });
  return storeImage(core, image);
}

async function storeImage(js: JetStreamAccess, image: Buffer): Promise<string> {
  const chunks = Readable.from(cut(image));
  const more = { chunkBytes: CHUNK_MAX_BYTES, keepPieces: true };
  return (await putObject(js, chunks, { bucket: BUCKET, name: "image", ...more })).nuid;
}

interface Receiving {
  readonly old?: Buffer;
  readonly image?: Buffer;
  readonly nuid: string;
  readonly js?: JetStreamAccess;
  /** Called when the chunks of the old file are known. */
  readonly meanwhile?: (oldPath: string) => void;
  readonly onWaiting?: () => void;
  readonly signal?: AbortSignal;
}

/** Receives the image with the help of `old`. Returns the reason for fetching the whole of it, if there was one. */
async function receive(world: World, receiving: Receiving): Promise<{ received: ReceivedImage; reason: string }> {
  const { old = OLD, image = NEW, nuid, js = world.guest, meanwhile, onWaiting } = receiving;
  const { signal = new AbortController().signal } = receiving;
  const oldPath = join(world.folder, "old.sif");
  writeFileSync(oldPath, old);
  const file = await OldFile.open(oldPath);
  try {
    await file.index;
    meanwhile?.(oldPath);
    let reason = "";
    const announced = { nuid, sizeBytes: image.length };
    const received = await receiveImage(js, {
      get: { bucket: BUCKET, name: "image", announced, signal, ...(onWaiting === undefined ? {} : { onWaiting }) },
      target: { path: join(world.folder, "new.sif"), force: true },
      old: file,
      onWhole: (text) => {
        reason += text;
      },
    });
    await received.file.place();
    assert.ok(readFileSync(join(world.folder, "new.sif")).equals(image), "the image is as it was stored");
    assert.is(received.file.result.digest, digestText(createHash("sha256").update(image).digest()));
    return { received, reason };
  } finally {
    await file.close();
  }
}

const wholeBecause = async (world: World, receiving: Receiving, reason: RegExp): Promise<void> => {
  const { received, reason: found } = await receive(world, receiving);
  assert.match(found, reason);
  assert.is(received.fetchedBytes, (receiving.image ?? NEW).length);
};

test("a client with an older image fetches what differs, and others fetch the same whole image", async (world) => {
  const nuid = await store(world, NEW);
  const before = world.guest.nc.stats().inBytes;
  const { received, reason } = await receive(world, { nuid });
  const inBytes = world.guest.nc.stats().inBytes - before;
  assert.is(reason, "");
  assert.ok(received.fetchedBytes < NEW.length / 6, `${received.fetchedBytes}`);
  assert.ok(inBytes < NEW.length / 4, `${inBytes} of ${NEW.length} bytes`);
  assert.ok((await getAll(world.guest)).data.equals(NEW));
  assert.is((await receive(world, { nuid, old: NEW })).received.fetchedBytes, 0);
});

test("the image may be stored while the client waits for it, and after that of a lost attempt", async (world) => {
  await store(world, OLD);
  await putObject(world.core, Readable.from([encodeChunkList(listOf(NEW))]), { bucket: BUCKET, name: CHUNK_LIST });
  const nuid = newObjectId();
  const receiving = receive(world, { nuid });
  const more = { nuid, chunkBytes: CHUNK_MAX_BYTES, keepPieces: true };
  await putObject(world.core, Readable.from(cut(NEW)), { bucket: BUCKET, name: "image", ...more });
  const { received, reason } = await receiving;
  assert.equal([reason, received.fetchedBytes < NEW.length / 6], ["", true]);
});

test("an image without a list, and one of which more than half differs, come whole", async (world) => {
  const nuid = await storeImage(world.core, NEW);
  await wholeBecause(world, { nuid }, /did not list/);
  await wholeBecause(world, { nuid: await store(world, NEW), old: sif(MIB) }, /more than half/);
});

test("lists that are not of the announced image come to nothing: too long, random, of another size", async (world) => {
  const image = NEW.subarray(0, 2 * MIB);
  const endless = Array.from({ length: 100_000 }, () => ({ bytes: CHUNK_MIN_BYTES, hash: "0123456789abcdef" }));
  await wholeBecause(world, { image, nuid: await store(world, image, endless) }, /has more than \d+ bytes/);
  await wholeBecause(world, { image, nuid: await store(world, image, randomBytes(19 * 20)) }, /not that of/);
  await wholeBecause(world, { image, nuid: await store(world, image, listOf(OLD).slice(0, 3)) }, /not that of/);
  const claim = { nuid: newObjectId(), sizeBytes: 19, chunks: 1, digest: digestText(createHash("sha256").digest()) };
  const nuid = await store(world, image);
  const meta = metaJson({ ...claim, bucket: BUCKET, name: CHUNK_LIST, chunkBytes: 1000 });
  await world.core.nc.jetstream().publish(metaSubject(BUCKET, CHUNK_LIST), meta);
  await wholeBecause(world, { image, nuid }, /image-chunks is damaged/);
});

test("a list that claims old chunks where the image has others is found by the digest", async (world) => {
  const image = OLD.subarray(0, 2 * MIB);
  const [first, second, ...rest] = listOf(image);
  if (first === undefined || second === undefined) throw new Error("too few chunks");
  const lie = [second, first, ...rest];
  await wholeBecause(world, { image, nuid: await store(world, image, lie) }, /another digest/);
});

test("messages of another number or length than listed come to nothing", async (world) => {
  const { core } = world;
  await putObject(core, Readable.from([encodeChunkList(listOf(NEW))]), { bucket: BUCKET, name: CHUNK_LIST });
  const object = await putObject(core, Readable.from([NEW]), { bucket: BUCKET, name: "image", chunkBytes: 500_000 });
  const { nuid } = object;
  await wholeBecause(world, { nuid }, /^the image has \d+ messages, but \d+ chunks were listed$/);
  const claim = { ...object, chunks: listOf(NEW).length, bucket: BUCKET, name: "image", chunkBytes: 500_000 };
  const other = newObjectId();
  await putObject(core, Readable.from([NEW]), { bucket: BUCKET, name: "other", nuid: other, chunkBytes: 500_000 });
  await core.nc.jetstream().publish(metaSubject(BUCKET, "image"), metaJson({ ...claim, nuid: other }));
  await wholeBecause(world, { nuid: other }, /^NATS has fewer messages of the image than listed$/);
});

test("a fetched message of another length than listed comes to nothing", async (world) => {
  const [first, second, ...rest] = cut(NEW);
  if (first === undefined || second === undefined) throw new Error("too few chunks");
  const moved = Buffer.concat([first, second]);
  const pieces = [moved.subarray(0, first.length + 1), moved.subarray(first.length + 1), ...rest];
  await putObject(world.core, Readable.from([encodeChunkList(listOf(NEW))]), { bucket: BUCKET, name: CHUNK_LIST });
  const more = { chunkBytes: CHUNK_MAX_BYTES, keepPieces: true };
  const { nuid } = await putObject(world.core, Readable.from(pieces), { bucket: BUCKET, name: "image", ...more });
  const old = Buffer.concat([sif(first.length), NEW.subarray(first.length)]);
  await wholeBecause(world, { nuid, old }, /^a chunk has another length than listed$/);
});

for (const [change, meanwhile, reason] of [
  ["is overwritten", (path: string) => writeFileSync(path, randomBytes(OLD.length)), /another digest/],
  ["is cut", (path: string) => truncateSync(path, MIB), /has become shorter/],
] as const) {
  test(`when the old file ${change} after its chunks were looked up, the image comes whole`, async (world) => {
    await wholeBecause(world, { nuid: await store(world, NEW), meanwhile }, reason);
    assert.equal(readdirSync(world.folder).sort(), ["new.sif", "old.sif"]);
  });
}

test("an old file that is replaced or removed is read on: the client holds it open", async (world) => {
  const nuid = await store(world, NEW);
  const replace = (path: string) => {
    writeFileSync(`${path}.other`, "other");
    renameSync(`${path}.other`, path);
  };
  for (const meanwhile of [replace, (path: string) => rmSync(path)]) {
    const { received, reason } = await receive(world, { nuid, meanwhile });
    assert.equal([reason, received.fetchedBytes < NEW.length / 6], ["", true]);
  }
});

test("a fetch goes on after an outage, and a signal ends it without a file", async (world) => {
  const nuid = await store(world, NEW);
  await throughProxy(world, async (proxy, js) => {
    proxy.refuse();
    const { received, reason } = await receive(world, { nuid, js, onWaiting: () => proxy.admit() });
    assert.equal([reason, received.fetchedBytes < NEW.length / 6], ["", true]);
  });
  rmSync(join(world.folder, "new.sif"));
  await world.jsm.streams.purge(BUCKET_STREAM, { filter: chunkSubject(BUCKET, nuid) });
  await world.jsm.streams.purge(BUCKET_STREAM, { filter: metaSubject(BUCKET, "image") });
  const stop = new AbortController();
  const waiting = rejection(receive(world, { nuid, signal: stop.signal, meanwhile: () => stop.abort() }));
  assert.match(String(await waiting), /was stopped/);
  assert.equal(readdirSync(world.folder), ["old.sif"]);
});

test("OldFile.open() names the reason for a file that is no image", async ({ folder }) => {
  const path = join(folder, "x");
  assert.match(String(await rejection(OldFile.open(path))), /does not exist/);
  assert.match(String(await rejection(OldFile.open(folder))), /is no regular file/);
  for (const content of ["", "short", randomBytes(1000)]) {
    writeFileSync(path, content);
    assert.match(String(await rejection(OldFile.open(path))), /is no Apptainer image/);
  }
  writeFileSync(path, sif(1000));
  truncateSync(path, 16 * 1024 ** 3);
  const file = await OldFile.open(path);
  await file.close();
  truncateSync(path, 16 * 1024 ** 3 + 1);
  assert.match(String(await rejection(OldFile.open(path))), /more than 17179869184/);
});

test.run();

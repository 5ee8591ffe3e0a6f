import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildRecord } from "../../../../lib/queue/builds/record.ts";
import { imageUntilMs, keepsImage, surplusImages } from "../../../../lib/queue/retention/kept-images.ts";

const test = suite("kept images");

const digest = `SHA-256=${"a".repeat(43)}=`;
const image = (build: string, user: string, bytes: number, endedAtMs: number): BuildRecord => ({
  v: 1,
  build,
  user,
  name: "",
  request: build,
  backend: "docker",
  pool: "p",
  state: "ended",
  createdAtMs: 0,
  attempt: 1,
  same: build,
  received: true,
  endedAtMs,
  final: { v: 1, state: "succeeded", bytes, digest },
});

const surplus = (records: BuildRecord[], freeBytes: number, totalBytes = 1000) => [
  ...surplusImages(records, { freeBytes, totalBytes }),
];

test("an image is kept until its client has fetched it, and longer if other requests may get it", () => {
  const record = image("a", "ada", 1, 5);
  const { same: _, ...own } = record;
  assert.ok(keepsImage(record));
  assert.not(keepsImage(own));
  assert.ok(keepsImage({ ...own, received: false }));
  assert.not(keepsImage({ ...record, bucketDeleted: true }));
});

test("the time counts from the last use", () => {
  assert.is(imageUntilMs(image("a", "ada", 1, 5), 100), 105);
  assert.is(imageUntilMs({ ...image("a", "ada", 1, 5), usedAtMs: 50 }, 100), 150);
});

test("a fifth of the storage is for images, exactly; the oldest of the largest user go first", () => {
  const records = [image("a1", "ada", 60, 3), image("a2", "ada", 60, 2), image("b", "bob", 80, 1)];
  assert.equal(surplus(records, 900), []);
  const more = [...records, image("c", "cid", 1, 9)];
  assert.equal(surplus(more, 900), ["a2"]);
  const used = records.map((record) => (record.build === "a2" ? { ...record, usedAtMs: 10 } : record));
  assert.equal(surplus([...used, image("c", "cid", 1, 9)], 900), ["a1"]);
});

test("images make space while less than a quarter of the storage is free, exactly", () => {
  const records = [image("a1", "ada", 50, 1), image("a2", "ada", 50, 2)];
  assert.equal(surplus(records, 250), []);
  assert.equal(surplus(records, 249), ["a1"]);
  assert.equal(surplus(records, 100), ["a1", "a2"]);
});

test("none is kept while NATS does not report its storage, and images that were not fetched stay", () => {
  assert.equal([...surplusImages([image("a", "ada", 1, 1)], undefined)], ["a"]);
  assert.equal(surplus([{ ...image("a", "ada", 999, 1), received: false }], 0), []);
});

test.run();

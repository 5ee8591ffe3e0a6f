import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Chunk,
  chunkOf,
  decodeChunkList,
  encodeChunkList,
  IMAGE_MAX_BYTES,
  listMaxBytes,
} from "../../../../lib/transfer/delta/chunk-list.ts";
import { CHUNK_MAX_BYTES, CHUNK_MIN_BYTES } from "../../../../lib/transfer/delta/chunking.ts";
import { Random } from "../../../sim/random.ts";
import { listOf, randomData } from "../../../support/transfer/edited.ts";

const test = suite("chunk list");
const { hash } = chunkOf(Buffer.from("any"));
const chunks = (...sizes: number[]): Chunk[] => sizes.map((bytes) => ({ bytes, hash }));
const decoded = (list: readonly Chunk[], imageBytes: number) => decodeChunkList(encodeChunkList(list), imageBytes);

test("a decoded list is the encoded one, for data of any size", () => {
  const random = new Random(3);
  for (const bytes of [0, 1, CHUNK_MIN_BYTES, CHUNK_MAX_BYTES, 5_000_001, random.between(1, 3_000_000)]) {
    const list = listOf(randomData(random, bytes));
    assert.equal(decoded(list, bytes), list);
    assert.ok(encodeChunkList(list).length <= listMaxBytes(bytes));
  }
});

test("a list with other lengths than an image of that size can have is refused", () => {
  const sum = 3 * CHUNK_MIN_BYTES;
  assert.ok(decoded(chunks(CHUNK_MIN_BYTES, CHUNK_MIN_BYTES, CHUNK_MIN_BYTES), sum));
  const refused: (readonly [number[], number])[] = [
    [[CHUNK_MIN_BYTES, CHUNK_MIN_BYTES], sum],
    [[CHUNK_MIN_BYTES, CHUNK_MIN_BYTES, CHUNK_MIN_BYTES + 1], sum],
    [[CHUNK_MIN_BYTES - 1, CHUNK_MIN_BYTES + 1, CHUNK_MIN_BYTES], sum],
    [[sum, 0], sum],
    [[CHUNK_MAX_BYTES + 1], CHUNK_MAX_BYTES + 1],
    [[], 1],
    [[1], 0],
    [[0], 0],
    [[0xffffff, 0xffffff], 2 * 0xffffff],
  ];
  for (const [sizes, imageBytes] of refused) assert.is(decoded(chunks(...sizes), imageBytes), undefined, `${sizes}`);
});

test("a list of an image beyond the limit is refused", () => {
  const full = IMAGE_MAX_BYTES / CHUNK_MAX_BYTES;
  const sizes = (count: number) => Array.from({ length: count }, () => CHUNK_MAX_BYTES);
  assert.is(decoded(chunks(...sizes(full)), IMAGE_MAX_BYTES)?.length, full);
  assert.is(decoded(chunks(...sizes(full), 1), IMAGE_MAX_BYTES + 1), undefined);
});

test("a list of too many, too few or half entries, and random bytes, are refused", () => {
  const list = encodeChunkList(chunks(CHUNK_MIN_BYTES, CHUNK_MIN_BYTES));
  const imageBytes = 2 * CHUNK_MIN_BYTES;
  assert.ok(decodeChunkList(list, imageBytes));
  for (const end of [1, list.length - 1, list.length / 2]) {
    assert.is(decodeChunkList(list.subarray(0, end), imageBytes), undefined);
  }
  const endless = Buffer.alloc(listMaxBytes(imageBytes) + list.length / 2);
  assert.is(decodeChunkList(endless, imageBytes), undefined);
  const random = new Random(5);
  for (let round = 0; round < 200; round += 1) {
    const bytes = randomData(random, 19 * random.between(1, 40));
    assert.is(decodeChunkList(bytes, random.between(0, 10_000_000)), undefined);
  }
});

test.run();

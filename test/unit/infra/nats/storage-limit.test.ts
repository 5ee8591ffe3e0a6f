import { suite } from "uvu";
import * as assert from "uvu/assert";
import { storageLimit } from "../../../../infra/nats/storage-limit.ts";

const test = suite("storage limit");

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
const empty = { totalBytes: 100 * GiB, freeBytes: 80 * GiB, usedBytes: 0, reservedBytes: 0 };

test("storageLimit() grants the wanted space on a disk that has it beside the spare part", () => {
  assert.is(storageLimit({ ...empty, freeBytes: 21 * GiB }, 16 * GiB), 16 * GiB);
  assert.is(storageLimit({ ...empty, freeBytes: 21 * GiB - 1 }, 16 * GiB), 16 * GiB - 1);
});

test("storageLimit() counts the space that streams already take", () => {
  assert.is(storageLimit({ ...empty, freeBytes: 6 * GiB, usedBytes: 3 * GiB }, 16 * GiB), 4 * GiB);
});

test("storageLimit() spares 256 MiB of a disk of some GiB, and a quarter of a smaller one", () => {
  assert.is(storageLimit({ ...empty, totalBytes: 4 * GiB, freeBytes: 4 * GiB }, 16 * GiB), 4 * GiB - 256 * MiB);
  assert.is(storageLimit({ ...empty, totalBytes: 60 * MiB, freeBytes: 60 * MiB }, 16 * GiB), 45 * MiB);
});

test("storageLimit() is never below what the stored streams have reserved, nor 0", () => {
  assert.is(storageLimit({ ...empty, freeBytes: 0, reservedBytes: 9 * GiB }, 16 * GiB), 9 * GiB);
  assert.is(storageLimit({ ...empty, freeBytes: 0 }, 16 * GiB), MiB);
});

test.run();

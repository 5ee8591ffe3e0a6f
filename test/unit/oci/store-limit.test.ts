import { suite } from "uvu";
import * as assert from "uvu/assert";
import { filesToRemove } from "../../../lib/oci/docker-registry/store-limit.ts";

const test = suite("store limit");

/** Ten files of 10 bytes; `d` was used first, then `a`. */
const FILES = [..."abcdefghij"].map((path, n) => ({ path, bytes: 10, usedMs: path === "d" ? -1 : n }));
const removed = (maxBytes: number): string =>
  filesToRemove(FILES, maxBytes)
    .map(({ path }) => path)
    .join("");

test("filesToRemove() removes nothing at the bound, and one byte above it the oldest files until a tenth is free", () => {
  assert.is(removed(100), "");
  assert.is(removed(99), "da");
});

test("filesToRemove() removes the file that was used longest ago first, in the order of use", () => {
  assert.is(removed(50), "dabcef");
  assert.is(removed(1), "dabcefghij");
  assert.equal(filesToRemove([], 0), []);
});

test.run();

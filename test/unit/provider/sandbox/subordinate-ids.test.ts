import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freeRange, rangeOf } from "../../../../lib/provider/sandbox/subordinate-ids.ts";

const test = suite("subordinate ids");

test("freeRange() returns the first block of 65536 ids that overlaps no range of either file", () => {
  assert.equal(freeRange(["", ""]), { first: 100_000, count: 65_536 });
  assert.is(freeRange(["a:100000:65536\n", ""]).first, 165_536);
  assert.is(freeRange(["", "a:165535:1\n"]).first, 165_536);
  assert.is(freeRange(["", "a:165536:1\n"]).first, 100_000);
  assert.is(freeRange(["b:165536:65536\na:100000:65536\n", "c:231072:10"]).first, 231_082);
  assert.is(freeRange(["a:1000:100\n"]).first, 100_000);
  assert.throws(() => freeRange(["a:100000:600000000\n"]), /no free block/);
});

test("rangeOf() finds a user by name or number, and no user with a similar name", () => {
  const text = "ann:100000:65536\n1001:165536:65536\nroot:300000:1\n# x:1:1\n";
  assert.equal(rangeOf(text, { name: "ann", uid: 1000 }), { owner: "ann", first: 100_000, count: 65_536 });
  assert.is(rangeOf(text, { name: "bob", uid: 1001 })?.first, 165_536);
  assert.is(rangeOf(text, { name: "an", uid: 100 }), undefined);
});

test.run();

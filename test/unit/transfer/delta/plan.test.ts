import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CHUNK_MIN_BYTES } from "../../../../lib/transfer/delta/chunking.ts";
import {
  type ChunkIndex,
  type DeltaPlan,
  isWorthwhile,
  type Place,
  planDelta,
} from "../../../../lib/transfer/delta/plan.ts";
import { Random } from "../../../sim/random.ts";
import { cut, edit, listOf, randomData } from "../../../support/transfer/edited.ts";

const test = suite("delta plan");
const MIB = 1024 * 1024;

function indexOf(data: Uint8Array): ChunkIndex {
  const index = new Map<string, Place>();
  let offset = 0;
  for (const { bytes, hash } of listOf(data)) {
    index.set(hash, { offset, bytes });
    offset += bytes;
  }
  return index;
}

const carriedOut = ({ parts }: DeltaPlan, old: Uint8Array, messages: readonly Uint8Array[]): Buffer =>
  Buffer.concat(
    parts.map((part) =>
      part.kind === "copy"
        ? old.subarray(part.offset, part.offset + part.bytes)
        : (messages[part.message] ?? Buffer.of()),
    ),
  );

test("a plan that is carried out gives the new data, and fetches little: random edits", () => {
  for (let seed = 1; seed <= 8; seed += 1) {
    const random = new Random(seed);
    const old = randomData(random, random.between(0, 2 * MIB));
    const data = edit(random, old, random.between(0, 3));
    const messages = cut(data);
    const plan = planDelta(listOf(data), indexOf(old));
    assert.ok(carriedOut(plan, old, messages).equals(data), `seed ${seed}`);
    assert.is(plan.messages, messages.length);
    const fetched = plan.parts.filter(({ kind }) => kind === "fetch");
    assert.is(
      fetched.reduce((sum, { bytes }) => sum + bytes, 0),
      plan.fetchBytes,
    );
  }
});

test("equal data is copied in parts of up to 1 MiB, and data without an old file is fetched", () => {
  const data = randomData(new Random(1), 8 * MIB);
  const same = planDelta(listOf(data), indexOf(data));
  assert.is(same.fetchBytes, 0);
  assert.ok(same.parts.every(({ kind, bytes }) => kind === "copy" && bytes <= MIB));
  assert.ok(same.parts.length < 16);
  const other = planDelta(listOf(data), new Map());
  assert.is(other.fetchBytes, data.length);
  assert.equal([isWorthwhile(same, data.length), isWorthwhile(other, data.length)], [true, false]);
});

test("parts that do not follow each other in the old file are not joined", () => {
  const [one, two, three] = cut(randomData(new Random(2), 2 * MIB));
  if (one === undefined || two === undefined || three === undefined) throw new Error("too few chunks");
  const old = Buffer.concat([one, two, three]);
  const data = Buffer.concat([three, one, two, one]);
  const plan = planDelta(
    [three, one, two, one].flatMap((chunk) => listOf(chunk)),
    indexOf(old),
  );
  assert.ok(carriedOut(plan, old, []).equals(data));
  assert.equal(
    plan.parts.map(({ bytes }) => bytes),
    [three.length, one.length + two.length, one.length],
  );
});

test("a chunk with the hash of an old one and another length is fetched: no copy leaves the old file", () => {
  const old = randomData(new Random(3), MIB);
  const list = listOf(old).map(({ hash, bytes }) => ({ hash, bytes: bytes + 1 }));
  const plan = planDelta(list, indexOf(old));
  assert.ok(plan.parts.every(({ kind }) => kind === "fetch"));
});

test("a delta is worthwhile up to half of the image", () => {
  const plan = { parts: [], messages: 2, fetchBytes: CHUNK_MIN_BYTES };
  assert.is(isWorthwhile(plan, 2 * CHUNK_MIN_BYTES), true);
  assert.is(isWorthwhile(plan, 2 * CHUNK_MIN_BYTES - 1), false);
});

test.run();

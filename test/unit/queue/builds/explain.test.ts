import { suite } from "uvu";
import * as assert from "uvu/assert";
import { explain, type PoolOutlook } from "../../../../lib/queue/builds/explain.ts";

const test = suite("explain");

const pool: PoolOutlook = { name: "p", booting: 0, leased: 0, max: 2, reason: "" };
const explained = (outlook: Partial<PoolOutlook>, leasedByUser = new Map<string, number>()) =>
  explain({
    waiting: [
      { build: "1", user: "a", pool: "p" },
      { build: "2", user: "b", pool: "p" },
    ],
    pools: [{ ...pool, ...outlook }],
    leasedByUser,
    leasedPerUser: 4,
  });

test("explain() counts positions from 1 in each pool", () => {
  assert.equal(
    explained({}).map(({ position, waiting }) => [position, waiting]),
    [
      [1, 2],
      [2, 2],
    ],
  );
});

test("explain() gives the number of booting builders", () => {
  assert.is(explained({ booting: 1 })[0]?.reason, "1 builder booting");
  assert.is(explained({ booting: 2 })[0]?.reason, "2 builders booting");
});

test("explain() reports all builders busy at exactly the maximum, and otherwise the reconciler's reason", () => {
  assert.is(explained({ leased: 2 })[0]?.reason, "all 2 builders busy");
  assert.is(explained({ leased: 1 })[0]?.reason, "a builder is being created");
  assert.is(explained({ reason: "quota, 20 of 20 instances" })[0]?.reason, "quota, 20 of 20 instances");
});

test("explain() gives the drain of the pool before the limit of the user and full builders", () => {
  const drained = "pool p is drained: the cloud is repaired";
  for (const { reason } of explained({ drained, leased: 2 }, new Map([["a", 4]]))) assert.is(reason, drained);
});

test("explain() names an incomplete upload as the reason", () => {
  const waiting = [{ build: "1", user: "a", pool: "p", awaitsContext: true as const }];
  const [explanation] = explain({ waiting, pools: [pool], leasedByUser: new Map(), leasedPerUser: 4 });
  assert.is(explanation?.reason, "the upload of its files is not complete");
});

test("explain() gives a user at the limit the number of running builds and the limit", () => {
  const [first, second] = explained({ booting: 1 }, new Map([["a", 4]]));
  assert.is(first?.reason, "you have 4 running builds; the limit is 4 per user");
  assert.is(second?.reason, "1 builder booting");
});

test("explain() puts the loss of the builder before user limit and pool", () => {
  const waiting = [{ build: "1", user: "a", pool: "p", awaitsGone: "it was lost; waiting until its machine is gone" }];
  const busy = [{ ...pool, leased: 2 }];
  const [explanation] = explain({ waiting, pools: busy, leasedByUser: new Map([["a", 4]]), leasedPerUser: 4 });
  assert.equal(explanation, {
    build: "1",
    position: 1,
    waiting: 1,
    reason: "it was lost; waiting until its machine is gone",
  });
});

test.run();

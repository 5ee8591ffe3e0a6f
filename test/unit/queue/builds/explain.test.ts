import { suite } from "uvu";
import * as assert from "uvu/assert";
import { explain, type PoolOutlook } from "../../../../lib/queue/builds/explain.ts";

const test = suite("explain");

const pool: PoolOutlook = { name: "p", booting: 0, leased: 0, max: 2, why: "" };
const told = (outlook: Partial<PoolOutlook>, leasedByUser = new Map<string, number>()) =>
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
    told({}).map(({ position }) => position),
    [1, 2],
  );
});

test("explain() says how many builders are booting", () => {
  assert.is(told({ booting: 1 })[0]?.reason, "1 builder booting");
  assert.is(told({ booting: 2 })[0]?.reason, "2 builders booting");
});

test("explain() says that all are busy at exactly the maximum, and adds the reconciler's reason", () => {
  assert.is(told({ leased: 2 })[0]?.reason, "all 2 builders busy");
  assert.is(told({ leased: 1 })[0]?.reason, "a builder is being made");
  assert.is(told({ why: "quota, 20 of 20 instances" })[0]?.reason, "quota, 20 of 20 instances");
});

test("explain() tells a caller whose files are not whole that they are waited for", () => {
  const waiting = [{ build: "1", user: "a", pool: "p", awaitsContext: true as const }];
  const [told] = explain({ waiting, pools: [pool], leasedByUser: new Map(), leasedPerUser: 4 });
  assert.is(told?.reason, "its files are on their way");
});

test("explain() tells a user at the cap that it is their own", () => {
  const [first, second] = told({ booting: 1 }, new Map([["a", 4]]));
  assert.is(first?.reason, "4 builds of yours running, which is the limit for one user");
  assert.is(second?.reason, "1 builder booting");
});

test("explain() tells a caller whose builder was lost what is waited for, whatever the pool has to say", () => {
  const waiting = [{ build: "1", user: "a", pool: "p", awaitsGone: "it was lost; waiting until it is gone" }];
  const busy = [{ ...pool, leased: 2 }];
  const [told] = explain({ waiting, pools: busy, leasedByUser: new Map([["a", 4]]), leasedPerUser: 4 });
  assert.equal(told, { build: "1", position: 1, reason: "it was lost; waiting until it is gone" });
});

test.run();

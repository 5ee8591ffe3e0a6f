import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lackOf, replicated, type StoreReport } from "../../../../infra/site/cloud/cluster-data.ts";

const test = suite("data of a cluster");

const report = (server: string, last: Record<string, number>, members = 3): StoreReport => ({
  server,
  members,
  last: new Map(Object.entries(last)),
});
const FULL = [report("n2", { a: 5, b: 7, own: 1 }), report("n3", { a: 6, b: 7 })];
const wantedOf = (reports: readonly StoreReport[]) => replicated("n1", reports, 3);

test("a host must have the last message that any of the others has, of the streams that all of them have", () => {
  assert.equal(wantedOf([report("n1", {}), ...FULL]), new Map(Object.entries({ a: 6, b: 7 })));
  assert.is(wantedOf([report("n1", {}), report("n2", { a: 5 })]), undefined);
});

test("a host that is behind, lacks a stream, is no member or does not report lacks data", () => {
  const wanted = wantedOf(FULL) ?? new Map();
  const lack = (...reports: StoreReport[]) => lackOf("n1", wanted, reports, 3);
  assert.is(lack(report("n1", { a: 6, b: 7 }), ...FULL), undefined);
  assert.is(lack(report("n1", { a: 9, b: 7 }), ...FULL), undefined);
  assert.is(lack(report("n1", { a: 5, b: 7 }), ...FULL), "1 of 2 streams are not complete");
  assert.is(lack(report("n1", { a: 6 }), ...FULL), "1 of 2 streams are not complete");
  assert.is(lack(report("n1", { a: 6, b: 7 }, 2), ...FULL), "JetStream has 2 of 3 members");
  assert.is(lack(...FULL), "it does not report");
  assert.is(lack(report("n1", { a: 6, b: 7 }), report("n2", { a: 5 })), "another host does not report");
});

test("a stream that was deleted meanwhile is not awaited, and an empty stream is", () => {
  const wanted = wantedOf(FULL) ?? new Map();
  assert.is(
    lackOf("n1", wanted, [report("n1", { a: 6 }), report("n2", { a: 6 }), report("n3", { a: 6 })], 3),
    undefined,
  );
  const empty = [report("n2", { e: 0 }), report("n3", { e: 0 })];
  const none = wantedOf(empty) ?? new Map();
  assert.is(lackOf("n1", none, [report("n1", {}), ...empty], 3), "1 of 1 streams are not complete");
  assert.is(lackOf("n1", none, [report("n1", { e: 0 }), ...empty], 3), undefined);
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type MatchInput, match } from "../../../../lib/queue/leases/match.ts";

const test = suite("match");

const waiting = (build: string, user: string, pool = "p") => ({ build, user, pool });
const free = (builder: string, pool = "p") => ({ builder, pool });
const input = (over: Partial<MatchInput>): MatchInput => ({
  waiting: [],
  free: [],
  leasedByUser: new Map(),
  leasedPerUser: 4,
  ...over,
});

test("match() keeps the order of the builds and of the builders", () => {
  const found = match(
    input({ waiting: [waiting("1", "a"), waiting("2", "b")], free: [free("x"), free("y"), free("z")] }),
  );
  assert.equal(found, [
    { build: "1", builder: "x" },
    { build: "2", builder: "y" },
  ]);
});

test("match() leases no builder twice", () => {
  const found = match(input({ waiting: [waiting("1", "a"), waiting("2", "a")], free: [free("x")] }));
  assert.equal(found, [{ build: "1", builder: "x" }]);
});

test("match() passes over a user at exactly the limit, and serves the next one", () => {
  const queue = { waiting: [waiting("1", "a"), waiting("2", "b")], free: [free("x")] };
  assert.equal(match(input({ ...queue, leasedByUser: new Map([["a", 4]]) })), [{ build: "2", builder: "x" }]);
  assert.equal(match(input({ ...queue, leasedByUser: new Map([["a", 3]]) })), [{ build: "1", builder: "x" }]);
});

test("match() counts its own matches against the limit", () => {
  const queue = { waiting: [waiting("1", "a"), waiting("2", "a"), waiting("3", "b")], free: [free("x"), free("y")] };
  const found = match(input({ ...queue, leasedPerUser: 1 }));
  assert.equal(found, [
    { build: "1", builder: "x" },
    { build: "3", builder: "y" },
  ]);
});

test("match() passes over a build with an incomplete upload", () => {
  const queue = {
    waiting: [{ ...waiting("1", "a"), awaitsContext: true as const }, waiting("2", "a")],
    free: [free("x")],
  };
  assert.equal(match(input(queue)), [{ build: "2", builder: "x" }]);
});

test("match() takes builders of the build's pool only", () => {
  const found = match(input({ waiting: [waiting("1", "a", "arm"), waiting("2", "a", "p")], free: [free("x", "p")] }));
  assert.equal(found, [{ build: "2", builder: "x" }]);
});

test("match() passes over a build until its lost builder is gone, and serves the next one", () => {
  const line = [{ ...waiting("1", "a"), awaitsGone: "it was lost" }, waiting("2", "b")];
  assert.equal(match(input({ waiting: line, free: [free("x")] })), [{ build: "2", builder: "x" }]);
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildRecord } from "../../../../lib/queue/builds/record.ts";
import { dayOf, monthOf, withBuild } from "../../../../lib/queue/users/usage-record.ts";

const test = suite("usage record");

const NOON = Date.UTC(2026, 10, 27, 12);
const DAY_MS = 86_400_000;
const ended = (build: string, over: Partial<BuildRecord> = {}): BuildRecord => ({
  v: 1,
  build,
  user: "ada",
  name: "",
  request: build,
  backend: "docker",
  pool: "p",
  state: "ended",
  createdAtMs: NOON - 60_000,
  leasedAtMs: NOON - 40_000,
  endedAtMs: NOON,
  attempt: 1,
  final: { v: 1, state: "succeeded", bytes: 7, digest: "" },
  ...over,
});
const never = () => false;

test("withBuild() adds outcome, time of the builder and image, and a build is counted once while it is not settled", () => {
  const one = withBuild(undefined, ended("a"), never);
  assert.equal([one?.succeeded, one?.builderMs, one?.imageBytes, one?.dayBuilds], [1, 40_000, 7, 1]);
  assert.is(withBuild(one, ended("a"), never), undefined);
  const final = { v: 1, state: "failed", exitCode: 1, reason: "" } as const;
  const two = withBuild(one, ended("b", { final }), never);
  assert.equal([two?.succeeded, two?.failed, two?.builderMs, two?.imageBytes, two?.dayBuilds], [1, 1, 80_000, 7, 2]);
  assert.equal(two?.counting, ["a", "b"]);
});

test("withBuild() forgets the builds that are settled, so that the record stays small", () => {
  const one = withBuild(undefined, ended("a"), never);
  assert.equal(withBuild(one, ended("b"), (build) => build === "a")?.counting, ["b"]);
});

test("withBuild() counts the builds of the newest day, and none that never had a builder", () => {
  const one = withBuild(undefined, ended("a"), never);
  const { leasedAtMs: _, ...waited } = ended("w", { final: { v: 1, state: "cancelled", reason: "" } });
  const two = withBuild(one, waited, never);
  assert.equal([two?.cancelled, two?.dayBuilds, two?.builderMs], [1, 1, 40_000]);
  const next = withBuild(two, ended("n", { endedAtMs: NOON + DAY_MS }), never);
  assert.equal([next?.day, next?.dayBuilds], ["2026-11-28", 1]);
  const late = withBuild(next, ended("l"), never);
  assert.equal([late?.day, late?.dayBuilds, late?.succeeded], ["2026-11-28", 1, 3]);
});

test("dayOf() and monthOf() change at midnight UTC", () => {
  const midnight = Date.UTC(2026, 11, 1);
  assert.equal([dayOf(midnight - 1), monthOf(midnight - 1)], ["2026-11-30", "2026-11"]);
  assert.equal([dayOf(midnight), monthOf(midnight)], ["2026-12-01", "2026-12"]);
});

test.run();

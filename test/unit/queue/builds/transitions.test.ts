import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildRecord } from "../../../../lib/queue/builds/record.ts";
import { buildEnded, builderLost, buildLeased, contextCompleted } from "../../../../lib/queue/builds/transitions.ts";

const test = suite("build transitions");

const waiting: BuildRecord = {
  v: 1,
  build: "60c95481-92f3-4491-94d3-14c45bfbc279",
  user: "ada",
  name: "a.sif",
  request: "e6a0cd58-255c-4f17-b0df-51c5b0120d07",
  backend: "singularity",
  pool: "p",
  state: "waiting",
  createdAtMs: 1,
  attempt: 0,
};

test("buildLeased() counts the attempt and accepts only a waiting build", () => {
  const record = buildLeased(waiting, "b", 5);
  assert.equal([record.state, record.attempt, record.builder, record.leasedAtMs], ["leased", 1, "b", 5]);
  assert.throws(() => buildLeased(record, "c", 6), /cannot be leased/);
});

test("buildLeased() refuses a build until its context is complete", () => {
  const incomplete: BuildRecord = { ...waiting, awaitsContext: true };
  assert.throws(() => buildLeased(incomplete, "b", 5), /incomplete context/);
  const complete = contextCompleted(incomplete);
  assert.equal(complete, waiting);
  assert.is(complete && contextCompleted(complete), undefined);
  assert.is(contextCompleted({ ...incomplete, state: "ended" }), undefined);
});

test("builderLost() puts the build back at its old position, and the next lease is attempt 2", () => {
  const loss = { builder: "b", atMs: 9, reason: "r" };
  const lost = builderLost(buildLeased(waiting, "b", 5), loss);
  assert.equal(lost, { ...waiting, attempt: 1, loss });
  const again = lost && buildLeased(lost, "c", 10);
  assert.equal([again?.attempt, again?.builder, again?.leasedAtMs, again?.loss], [2, "c", 10, loss]);
});

test("builderLost() ignores another builder's loss and a build that is not leased", () => {
  const loss = { builder: "b", atMs: 9, reason: "r" };
  assert.is(builderLost(buildLeased(waiting, "c", 5), loss), undefined);
  assert.is(builderLost(waiting, loss), undefined);
  const ended = buildEnded(buildLeased(waiting, "b", 5), { v: 1, state: "cancelled", reason: "r" }, 7);
  assert.is(ended && builderLost(ended, loss), undefined);
});

test("buildEnded() ignores every end after the first", () => {
  const cancelled = buildEnded(waiting, { v: 1, state: "cancelled", reason: "r" }, 7);
  assert.is(cancelled?.endedAtMs, 7);
  assert.is(cancelled && buildEnded(cancelled, { v: 1, state: "lost", reason: "r" }, 8), undefined);
});

test.run();

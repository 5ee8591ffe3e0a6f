import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildRecord } from "../../../lib/build/record.ts";
import { contextCame, ended, leased } from "../../../lib/build/transitions.ts";

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

test("leased() counts the attempt and takes only what waits", () => {
  const record = leased(waiting, "b", 5);
  assert.equal([record.state, record.attempt, record.builder, record.leasedAtMs], ["leased", 1, "b", 5]);
  assert.throws(() => leased(record, "c", 6), /cannot be leased/);
});

test("leased() takes no build whose context is not whole, until it came", () => {
  const incomplete: BuildRecord = { ...waiting, awaitsContext: true };
  assert.throws(() => leased(incomplete, "b", 5), /context is not whole/);
  const whole = contextCame(incomplete);
  assert.equal(whole, waiting);
  assert.is(whole && contextCame(whole), undefined);
  assert.is(contextCame({ ...incomplete, state: "ended" }), undefined);
});

test("ended() lets the first end count", () => {
  const cancelled = ended(waiting, { v: 1, state: "cancelled", reason: "r" }, 7);
  assert.is(cancelled?.endedAtMs, 7);
  assert.is(cancelled && ended(cancelled, { v: 1, state: "lost", reason: "r" }, 8), undefined);
});

test.run();

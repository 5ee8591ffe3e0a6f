import { suite } from "uvu";
import * as assert from "uvu/assert";
import { backoffAfterCreateFailure, NO_BACKOFF } from "../../../../lib/pool/reconciler/memory.ts";
import type { Backoff, Observation } from "../../../../lib/pool/reconciler/observation.ts";
import { plan } from "../../../../lib/pool/reconciler/planner.ts";
import type { BuilderRecord } from "../../../../lib/pool/state/record.ts";
import { emptyMemory, kinds, machine, NOW, observed, policy, record } from "./observed.ts";

/** The provider refuses because of a quota or a rate limit. Nothing is broken; the limit is the reason for waiting. */
const test = suite("plan() at a limit of the provider");

const QUOTA = "quota, 20 of 20 instances";
const limited = (changes: Partial<Backoff> = {}): Backoff => ({
  ...{ failures: 3, lastFailureMs: NOW - 10_000, untilMs: NOW + 4000, reason: QUOTA, limit: "quota" },
  ...changes,
});
const reserve = { ...policy, reserveTarget: 5, totalMax: 8 };
const ready = (id: string, changes: Partial<BuilderRecord> = {}) => record(id, "ready", changes);
const planAt = (records: readonly BuilderRecord[], backoff: Backoff, changes: Partial<Observation> = {}) =>
  plan(observed(records, { memory: { ...emptyMemory, backoff }, ...changes }), reserve, NOW);
/** Created before the limit was met. */
const before = { createdAtMs: NOW - 20_000, sinceMs: NOW - 20_000 };

test("the limit is the reason for waiting, during the pause and after it, until a create succeeds", () => {
  const records = ["a", "b", "c"].map((id) => ready(id, before));
  assert.is(planAt(records, limited()).reason, `reserve 3 of 5: ${QUOTA}`);
  assert.is(planAt(records, limited({ untilMs: NOW })).reason, `reserve 3 of 5: ${QUOTA}`);
  const booting = ["d", "e"].map((id) => record(id, "booting", before));
  assert.is(planAt([...records, ...booting], limited()).reason, "2 builders booting");
});

test("nothing is created before untilMs, then one at a time, and no pass is planned in between", () => {
  const records = ["a", "b"].map((id) => ready(id, before));
  const waits = planAt(records, limited());
  assert.equal([kinds(waits), waits.nextPassAtMs], [[], NOW + 4000]);
  assert.equal(kinds(planAt(records, limited({ untilMs: NOW }))), ["create 2"]);
  // Booting machines do not prevent the trial, as they do after a failure.
  assert.equal(kinds(planAt([...records, record("n", "booting", before)], limited({ untilMs: NOW }))), ["create 3"]);
});

test("a machine that is gone frees its part of the quota for the next create at once", () => {
  const leaving = record("g", "destroying", { ...before, seen: true });
  const listed = { machines: [machine("a")] };
  assert.equal(kinds(planAt([ready("a", before), leaving], limited(), listed)), ["gone g", "create 2"]);
  const rate = planAt([ready("a", before), leaving], limited({ limit: "rate" }), listed);
  assert.equal(kinds(rate), ["gone g"], "a rate limit concerns calls, not machines");
  const neverCreated = record("g", "destroying", { ...before, seen: false, refused: true });
  assert.equal(kinds(planAt([ready("a", before), neverCreated], limited(), listed)), ["gone g"]);
});

test("a machine created and listed after the limit was met ends the backoff", () => {
  const after = record("n", "booting", { createdAtMs: NOW - 9000 });
  assert.equal(planAt([after], limited()).memory.backoff, NO_BACKOFF);
  assert.equal(planAt([record("n", "requested", { createdAtMs: NOW - 9000 })], limited()).memory.backoff, limited());
  assert.equal(planAt([record("n", "booting", before)], limited()).memory.backoff, limited());
});

test("a refused create frees its slot without the grace of a create with a lost reply", () => {
  const failed = { createError: QUOTA, createdAtMs: NOW - 2000, sinceMs: NOW - 2000 };
  const first = planAt([record("r", "requested", { ...failed, refused: true })], limited());
  assert.equal(kinds(first), ["destroy r"]);
  assert.is(first.memory.backoff.failures, 3, "it was counted when it failed");
  const leaving = { ...failed, seen: false };
  const listed = { machines: [] };
  assert.equal(kinds(planAt([record("r", "destroying", { ...leaving, refused: true })], limited(), listed)), [
    "gone r",
  ]);
  assert.equal(
    kinds(planAt([record("r", "destroying", leaving)], limited(), listed)),
    [],
    "its machine may still appear",
  );
});

test("backoffAfterCreateFailure() pauses from the first limit on, doubles, and respects retryAfterMs", () => {
  const { firstMs, maxMs } = policy.backoff;
  const waits = (backoff: Backoff) => backoff.untilMs - NOW;
  const afterLimit = (backoff: Backoff, retryAfterMs?: number) =>
    backoffAfterCreateFailure(
      backoff,
      { message: QUOTA, limit: "quota", ...(retryAfterMs !== undefined && { retryAfterMs }) },
      policy.backoff,
      NOW,
    );
  const once = afterLimit(NO_BACKOFF);
  assert.equal([once.failures, once.reason, once.limit, waits(once)], [1, QUOTA, "quota", firstMs]);
  assert.is(waits(afterLimit(once)), 2 * firstMs);
  assert.is(waits(afterLimit(once, 60_000)), 60_000);
  assert.is(waits(afterLimit(limited({ failures: 30 }))), maxMs);
  const broken = { failures: 9, lastFailureMs: NOW, untilMs: NOW, reason: "it failed" };
  assert.is(afterLimit(broken).failures, 1, "failures of machines do not lengthen the pause at a limit");
  const other = backoffAfterCreateFailure(limited({ failures: 30 }), { message: "500" }, policy.backoff, NOW);
  assert.equal([other.failures, other.reason, other.limit], [1, "a create failed: 500", undefined]);
  assert.is(waits(other), 0, "and limits do not count as failures of machines");
});

test("a listing that was started before a change proves nothing about it", () => {
  const listed = { machines: [], observedAtMs: NOW - 5000 };
  const suspects = new Map([["r", NOW - 5000]]);
  const kept = plan(observed([ready("r", before)], { ...listed, memory: { ...emptyMemory, suspects } }), policy, NOW);
  assert.equal(kinds(kept), [], "the same listing made it a suspect");
  const younger = plan(observed([record("r", "destroying", { sinceMs: NOW - 5000, seen: true })], listed), policy, NOW);
  assert.equal(kinds(younger), ["create 1"], "and not: gone r");
});

test.run();

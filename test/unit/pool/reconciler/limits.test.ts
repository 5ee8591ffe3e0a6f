import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Backoff, backoffAfterCreateFailure, NO_BACKOFF } from "../../../../lib/pool/reconciler/backoff.ts";
import type { Observation } from "../../../../lib/pool/reconciler/observation.ts";
import { plan } from "../../../../lib/pool/reconciler/planner.ts";
import type { BuilderRecord } from "../../../../lib/pool/state/record.ts";
import { calm, kinds, machine, NOW, policy, record, seen } from "./scene.ts";

/** A provider that refuses by a quota or a rate limit: nothing is broken, and it is the reason for waiting. */
const test = suite("plan() at a limit of the provider");

const QUOTA = "quota, 20 of 20 instances";
const limited = (changes: Partial<Backoff> = {}): Backoff => ({
  ...{ failures: 3, lastFailureMs: NOW - 10_000, untilMs: NOW + 4000, reason: QUOTA, limit: "quota" },
  ...changes,
});
const reserve = { ...policy, reserveTarget: 5, totalMax: 8 };
const ready = (id: string, changes: Partial<BuilderRecord> = {}) => record(id, "ready", changes);
const planAt = (records: readonly BuilderRecord[], backoff: Backoff, changes: Partial<Observation> = {}) =>
  plan(seen(records, { memory: { ...calm, backoff }, ...changes }), reserve, NOW);
/** Made before the limit was met. */
const before = { createdAtMs: NOW - 20_000, sinceMs: NOW - 20_000 };

test("the limit is the reason for waiting, while it is waited for and until it is passed", () => {
  const records = ["a", "b", "c"].map((id) => ready(id, before));
  assert.is(planAt(records, limited()).reason, `reserve 3 of 5: ${QUOTA}`);
  assert.is(planAt(records, limited({ untilMs: NOW })).reason, `reserve 3 of 5: ${QUOTA}`);
  const booting = ["d", "e"].map((id) => record(id, "booting", before));
  assert.is(planAt([...records, ...booting], limited()).reason, "2 builders booting");
});

test("nothing is created before the time, then one at a time, and nothing is looked at for it in between", () => {
  const records = ["a", "b"].map((id) => ready(id, before));
  const waits = planAt(records, limited());
  assert.equal([kinds(waits), waits.nextPassAtMs], [[], NOW + 4000]);
  assert.equal(kinds(planAt(records, limited({ untilMs: NOW }))), ["create 2"]);
  // Machines on their way do not keep it from being tried, as they do after a failure.
  assert.equal(kinds(planAt([...records, record("n", "booting", before)], limited({ untilMs: NOW }))), ["create 3"]);
});

test("a machine that is gone leaves its part of the quota to the next, at once", () => {
  const going = record("g", "destroying", { ...before, seen: true });
  const listed = { machines: [machine("a")] };
  assert.equal(kinds(planAt([ready("a", before), going], limited(), listed)), ["gone g", "create 2"]);
  const rate = planAt([ready("a", before), going], limited({ limit: "rate" }), listed);
  assert.equal(kinds(rate), ["gone g"], "a rate is about calls");
  const neverThere = record("g", "destroying", { ...before, seen: false, refused: true });
  assert.equal(kinds(planAt([ready("a", before), neverThere], limited(), listed)), ["gone g"]);
});

test("a machine that is made and listed after the limit was met has passed it", () => {
  const after = record("n", "booting", { createdAtMs: NOW - 9000 });
  assert.equal(planAt([after], limited()).memory.backoff, NO_BACKOFF);
  assert.equal(planAt([record("n", "requested", { createdAtMs: NOW - 9000 })], limited()).memory.backoff, limited());
  assert.equal(planAt([record("n", "booting", before)], limited()).memory.backoff, limited());
});

test("a refused create gives its place back without the grace of one that is lost", () => {
  const failed = { createError: QUOTA, createdAtMs: NOW - 2000, sinceMs: NOW - 2000 };
  const first = planAt([record("r", "requested", { ...failed, refused: true })], limited());
  assert.equal(kinds(first), ["destroy r"]);
  assert.is(first.memory.backoff.failures, 3, "it was counted when it failed");
  const going = { ...failed, seen: false };
  const listed = { machines: [] };
  assert.equal(kinds(planAt([record("r", "destroying", { ...going, refused: true })], limited(), listed)), ["gone r"]);
  assert.equal(kinds(planAt([record("r", "destroying", going)], limited(), listed)), [], "a lost one may still appear");
});

test("createFailed() waits from the first limit on, doubles, and heeds what the provider asks for", () => {
  const { firstMs, maxMs } = policy.backoff;
  const waits = (backoff: Backoff) => backoff.untilMs - NOW;
  const meet = (backoff: Backoff, retryAfterMs?: number) =>
    backoffAfterCreateFailure(
      backoff,
      { message: QUOTA, limit: "quota", ...(retryAfterMs !== undefined && { retryAfterMs }) },
      policy.backoff,
      NOW,
    );
  const once = meet(NO_BACKOFF);
  assert.equal([once.failures, once.reason, once.limit, waits(once)], [1, QUOTA, "quota", firstMs]);
  assert.is(waits(meet(once)), 2 * firstMs);
  assert.is(waits(meet(once, 60_000)), 60_000);
  assert.is(waits(meet(limited({ failures: 30 }))), maxMs);
  const broken = { failures: 9, lastFailureMs: NOW, untilMs: NOW, reason: "it broke" };
  assert.is(meet(broken).failures, 1, "failures of machines do not make a limit longer");
  const other = backoffAfterCreateFailure(limited({ failures: 30 }), { message: "500" }, policy.backoff, NOW);
  assert.equal([other.failures, other.reason, other.limit], [1, "a create failed: 500", undefined]);
  assert.is(waits(other), 0, "and limits count as no failures of machines");
});

test("a listing that was started before a change cannot say anything about it", () => {
  const listed = { machines: [], observedAtMs: NOW - 5000 };
  const suspects = new Map([["r", NOW - 5000]]);
  const kept = plan(seen([ready("r", before)], { ...listed, memory: { ...calm, suspects } }), policy, NOW);
  assert.equal(kinds(kept), [], "it is the listing that made it a suspect");
  const younger = plan(seen([record("r", "destroying", { sinceMs: NOW - 5000, seen: true })], listed), policy, NOW);
  assert.equal(kinds(younger), ["create 1"], "and not: gone r");
});

test.run();

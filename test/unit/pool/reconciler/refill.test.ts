import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Backoff } from "../../../../lib/pool/reconciler/backoff.ts";
import type { PassMemory } from "../../../../lib/pool/reconciler/observation.ts";
import { plan } from "../../../../lib/pool/reconciler/planner.ts";
import type { BuilderRecord } from "../../../../lib/pool/state/record.ts";
import { calm, kinds, machine, NOW, planned, policy, record, seen } from "./scene.ts";

/** Surplus, renewal, and waiting after failures. */
const test = suite("plan() of what is too much, too old, or failing");

const ready = (id: string, changes: Partial<BuilderRecord> = {}) => record(id, "ready", changes);
const withBackoff = (backoff: Backoff): PassMemory => ({ ...calm, backoff });

test("takes away what is ready above the target, the oldest first", () => {
  const records = [ready("new"), ready("old", { sinceMs: NOW - 5000 })];
  assert.equal(planned(seen(records)), ["destroy old"]);
  assert.equal(planned(seen(records, { waiting: 1 })), []);
});

test("renews at exactly maxReadyAgeMs: one new, then the oldest goes, one at a time", () => {
  const aged = (id: string, ageMs: number) => ready(id, { sinceMs: NOW - ageMs });
  const old = policy.maxReadyAgeMs;
  assert.equal(planned(seen([aged("a", old - 1)])), []);
  assert.equal(planned(seen([aged("a", old)])), ["create 1"]);
  assert.equal(planned(seen([aged("a", old), aged("b", old + 1)]), { reserveTarget: 2 }), ["create 2"]);
  assert.equal(planned(seen([aged("a", old), record("n", "booting")])), []);
  assert.equal(planned(seen([aged("a", old), aged("b", old + 1), ready("n")]), { reserveTarget: 2 }), ["destroy b"]);
});

test("renews where the maximum leaves no place for a new one only while nobody waits and all are ready", () => {
  const records = [ready("a", { sinceMs: NOW - policy.maxReadyAgeMs }), ready("b")];
  const full = { reserveTarget: 2, totalMax: 2 };
  assert.equal(planned(seen(records), full), ["destroy a"]);
  assert.equal(planned(seen(records, { waiting: 1 }), full), []);
  assert.equal(planned(seen([...records.slice(0, 1), record("l", "leased")]), full), []);
});

test("creates nothing before backoff.untilMs, says so, and looks again then", () => {
  const at = (untilMs: number) => {
    const memory = withBackoff({ failures: 3, lastFailureMs: NOW - 1, untilMs, reason: "quota" });
    return plan(seen([], { memory }), { ...policy, reserveTarget: 3 }, NOW);
  };
  assert.equal([kinds(at(NOW + 1)), at(NOW + 1).nextPassAtMs], [[], NOW + 1]);
  const why = "a pause after 3 failures to make a builder, the last: quota";
  assert.is(at(NOW + 4000).reason, why);
  assert.is(at(NOW + 1).reason, why, "it counts nothing down: each change is a message to everybody who waits");
  assert.equal(kinds(at(NOW)), ["create 0"], "then one, to see whether it works again");
});

test("the first failure costs no wait, those that follow without proof between do", () => {
  const broken = seen([record("b", "booting")], { machines: [machine("b", { status: "error" })] });
  const first = plan(broken, policy, NOW).memory.backoff;
  assert.equal([first.failures, first.untilMs], [1, NOW]);
  const second = plan({ ...broken, memory: withBackoff(first) }, policy, NOW + 1).memory.backoff;
  assert.equal([second.failures, second.untilMs], [2, NOW + 1 + policy.backoff.firstMs]);
});

test("failures found in one look count once", () => {
  const records = ["a", "b", "c"].map((id) => record(id, "booting"));
  const machines = records.map(({ builder }) => machine(builder, { status: "error" }));
  assert.is(plan(seen(records, { machines }), policy, NOW).memory.backoff.failures, 1);
});

test("backoff ends with a builder made since that was leased, or ready for provenMs", () => {
  const memory = withBackoff({ failures: 3, lastFailureMs: NOW - 60_000, untilMs: NOW + 9, reason: "quota" });
  const failuresWith = (one: BuilderRecord) => plan(seen([one], { memory }), policy, NOW).memory.backoff.failures;
  const made = { createdAtMs: NOW - 59_999 };
  assert.is(failuresWith(ready("r", { ...made, sinceMs: NOW - policy.provenMs + 1 })), 3);
  assert.is(failuresWith(ready("r", { ...made, sinceMs: NOW - policy.provenMs })), 0);
  assert.is(failuresWith(record("l", "leased", made)), 0);
  assert.is(failuresWith(record("l", "leased", { createdAtMs: NOW - 60_000 })), 3);
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Backoff, PassMemory } from "../../../../lib/pool/reconciler/observation.ts";
import { plan } from "../../../../lib/pool/reconciler/planner.ts";
import type { BuilderRecord } from "../../../../lib/pool/state/record.ts";
import { emptyMemory, kinds, machine, NOW, observed, planned, policy, record } from "./observed.ts";

/** Surplus, replacement of old builders, and the pause after failures. */
const test = suite("plan() of surplus, old and failing builders");

const ready = (id: string, changes: Partial<BuilderRecord> = {}) => record(id, "ready", changes);
const withBackoff = (backoff: Backoff): PassMemory => ({ ...emptyMemory, backoff });

test("destroys ready builders above the target, the oldest first", () => {
  const records = [ready("new"), ready("old", { sinceMs: NOW - 5000 })];
  assert.equal(planned(observed(records)), ["destroy old"]);
  assert.equal(planned(observed(records, { waiting: 1 })), []);
});

test("replaces a builder at exactly maxReadyAgeMs: creates one, then destroys the oldest, one at a time", () => {
  const aged = (id: string, ageMs: number) => ready(id, { sinceMs: NOW - ageMs });
  const old = policy.maxReadyAgeMs;
  assert.equal(planned(observed([aged("a", old - 1)])), []);
  assert.equal(planned(observed([aged("a", old)])), ["create 1"]);
  assert.equal(planned(observed([aged("a", old), aged("b", old + 1)]), { reserveTarget: 2 }), ["create 2"]);
  assert.equal(planned(observed([aged("a", old), record("n", "booting")])), []);
  assert.equal(planned(observed([aged("a", old), aged("b", old + 1), ready("n")]), { reserveTarget: 2 }), [
    "destroy b",
  ]);
});

test("at the maximum, replaces an old builder only while no build waits and all are ready", () => {
  const records = [ready("a", { sinceMs: NOW - policy.maxReadyAgeMs }), ready("b")];
  const full = { reserveTarget: 2, totalMax: 2 };
  assert.equal(planned(observed(records), full), ["destroy a"]);
  assert.equal(planned(observed(records, { waiting: 1 }), full), []);
  assert.equal(planned(observed([...records.slice(0, 1), record("l", "leased")]), full), []);
});

test("creates nothing before backoff.untilMs, gives the reason, and plans the next pass for then", () => {
  const at = (untilMs: number) => {
    const memory = withBackoff({ failures: 3, lastFailureMs: NOW - 1, untilMs, reason: "quota" });
    return plan(observed([], { memory }), { ...policy, reserveTarget: 3 }, NOW);
  };
  assert.equal([kinds(at(NOW + 1)), at(NOW + 1).nextPassAtMs], [[], NOW + 1]);
  const reason = "a pause after 3 failures to make a builder, the last: quota";
  assert.is(at(NOW + 4000).reason, reason);
  assert.is(at(NOW + 1).reason, reason, "no countdown: each change is a message to every waiting build");
  assert.equal(kinds(at(NOW)), ["create 0"], "then one, as a trial");
});

test("the first failure causes no pause, a second one without a proven builder in between does", () => {
  const broken = observed([record("b", "booting")], { machines: [machine("b", { status: "error" })] });
  const first = plan(broken, policy, NOW).memory.backoff;
  assert.equal([first.failures, first.untilMs], [1, NOW]);
  const second = plan({ ...broken, memory: withBackoff(first) }, policy, NOW + 1).memory.backoff;
  assert.equal([second.failures, second.untilMs], [2, NOW + 1 + policy.backoff.firstMs]);
});

test("failures found in one pass count once", () => {
  const records = ["a", "b", "c"].map((id) => record(id, "booting"));
  const machines = records.map(({ builder }) => machine(builder, { status: "error" }));
  assert.is(plan(observed(records, { machines }), policy, NOW).memory.backoff.failures, 1);
});

test("backoff ends with a builder created since that was leased, or was ready for provenMs", () => {
  const memory = withBackoff({ failures: 3, lastFailureMs: NOW - 60_000, untilMs: NOW + 9, reason: "quota" });
  const failuresWith = (one: BuilderRecord) => plan(observed([one], { memory }), policy, NOW).memory.backoff.failures;
  const created = { createdAtMs: NOW - 59_999 };
  assert.is(failuresWith(ready("r", { ...created, sinceMs: NOW - policy.provenMs + 1 })), 3);
  assert.is(failuresWith(ready("r", { ...created, sinceMs: NOW - policy.provenMs })), 0);
  assert.is(failuresWith(record("l", "leased", created)), 0);
  assert.is(failuresWith(record("l", "leased", { createdAtMs: NOW - 60_000 })), 3);
});

test.run();

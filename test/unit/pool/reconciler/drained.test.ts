import { suite } from "uvu";
import * as assert from "uvu/assert";
import { plan } from "../../../../lib/pool/reconciler/planner.ts";
import { NOW, observed, planned, policy, record } from "./observed.ts";

const test = suite("plan() of a drained pool");

const drained = "pool p is drained: the cloud is repaired";

test("creates nothing for reserve, waiting builds or old builders, and does so again when it is not drained", () => {
  assert.equal(planned(observed([], { drained, waiting: 2 })), []);
  assert.equal(planned(observed([], { waiting: 2 })), ["create 0", "create 1", "create 2"]);
  const old = record("old", "ready", { sinceMs: NOW - policy.maxReadyAgeMs });
  assert.equal(planned(observed([old], { drained })), ["destroy old"]);
  assert.equal(planned(observed([old])), ["create 1"]);
});

test("destroys the reserve with the reason of the drain, and leaves leased and booting builders", () => {
  const records = [record("l", "leased"), record("b", "booting"), record("r", "ready")];
  const { actions } = plan(observed(records, { drained }), policy, NOW);
  assert.equal(
    actions.map((action) => [action.kind, "builder" in action && action.builder, action.reason]),
    [["destroy", "r", drained]],
  );
});

test("gives the drain as the reason, whether or not builds wait", () => {
  assert.is(plan(observed([], { drained }), policy, NOW).reason, drained);
  assert.is(plan(observed([record("l", "leased")], { drained, waiting: 5 }), policy, NOW).reason, drained);
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { plan } from "../../../../lib/pool/reconciler/planner.ts";
import type { BuilderState } from "../../../../lib/pool/state/record.ts";
import { emptyMemory, machine, NOW, observed, planned, policy, record } from "./observed.ts";

const test = suite("plan() of held builders");

const UNTIL = NOW + 60_000;
const held = { operator: "ada", reason: "a look", untilMs: UNTIL };
const holding = (state: BuilderState, changes = {}) => record("h", state, { held, ...changes });
const one = { reserveTarget: 0 };

test("a held machine in error, silent, old, surplus or given up stays until exactly untilMs, and goes then", () => {
  const error = [machine("h", { status: "error" })];
  const cases = [
    observed([holding("ready")], { machines: error }),
    observed([holding("booting")], { machines: error }),
    observed([holding("ready")], { lastHeartbeatMs: new Map([["h", 0]]) }),
    observed([holding("ready", { sinceMs: NOW - policy.maxReadyAgeMs })]),
    observed([holding("ready")]),
    observed([holding("destroying")], { machines: [machine("h")] }),
  ];
  for (const observation of cases) {
    const later = { ...observation, observedAtMs: UNTIL };
    assert.equal(planned(later, one, UNTIL - 1), []);
    assert.equal(planned(later, one, UNTIL), ["destroy h"]);
  }
});

test("the end of a hold is no failure of the builder", () => {
  const later = observed([holding("ready")], { machines: [machine("h", { status: "error" })], observedAtMs: UNTIL });
  const { actions, memory } = plan(later, policy, UNTIL);
  const [destroy] = actions;
  assert.equal([destroy?.reason, destroy?.kind === "destroy" && destroy.failure], ["its hold has ended", false]);
  assert.is(memory.backoff.failures, 0);
});

test("a held builder is no part of the reserve, and counts against the maximum, which names it", () => {
  assert.equal(planned(observed([holding("ready")])), ["create 1"]);
  const { reason } = plan(observed([holding("ready")], { waiting: 1 }), { ...policy, totalMax: 1 }, NOW);
  assert.is(reason, "the maximum of 1 builder is reached (1 exist, 1 of them held by an operator)");
});

test("the record of a held machine that vanished is closed as without a hold", () => {
  const suspects = new Map([["h", NOW - policy.confirmMs]]);
  const vanished = observed([holding("ready")], { machines: [], memory: { ...emptyMemory, suspects } });
  assert.equal(planned(vanished, one), ["destroy h"]);
  assert.equal(planned(observed([holding("destroying")], { machines: [] }), one), ["gone h"]);
});

test("a held builder that lost its build is reported as lost, so that the build does not wait for the hold", () => {
  const broken = observed([holding("leased")], { machines: [machine("h", { status: "error" })] });
  assert.equal(planned(broken, one), ["lost h"]);
});

test("the next pass is at the end of the hold", () => {
  const soon = { ...held, untilMs: NOW + 500 };
  for (const state of ["ready", "booting", "destroying"] as const) {
    const { nextPassAtMs } = plan(
      observed([holding(state, { held: soon })], { machines: [machine("h")] }),
      { ...policy, ...one },
      NOW,
    );
    assert.is(nextPassAtMs, NOW + 500);
  }
});

test.run();

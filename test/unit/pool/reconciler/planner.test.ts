import { suite } from "uvu";
import * as assert from "uvu/assert";
import { plan } from "../../../../lib/pool/reconciler/planner.ts";
import type { BuilderRecord, BuilderState } from "../../../../lib/pool/state/record.ts";
import { emptyMemory, kinds, machine, NOW, observed, planned, policy, record } from "./observed.ts";

const test = suite("plan()");

const ready = (id: string, changes: Partial<BuilderRecord> = {}) => record(id, "ready", changes);

test("creates builders up to the target, one slot each, with a reason", () => {
  const result = plan(observed([]), { ...policy, reserveTarget: 2 }, NOW);
  assert.equal(kinds(result), ["create 0", "create 1"]);
  assert.is(result.actions[0]?.reason, "0 ready and 0 booting, 2 wanted");
});

test("at the target plans no action, has no reason, and the next pass after relistMs", () => {
  const result = plan(observed([ready("r")]), policy, NOW);
  assert.equal([kinds(result), result.reason, result.nextPassAtMs], [[], "", NOW + policy.relistMs]);
});

test("creates one more for each waiting build, and counts booting builders", () => {
  assert.equal(planned(observed([ready("r")], { waiting: 1 })), ["create 1"]);
  assert.equal(planned(observed([ready("r"), record("b", "booting")], { waiting: 1 })), []);
});

test("does not count leased builders as reserve", () => {
  assert.equal(planned(observed([record("l", "leased")])), ["create 1"]);
});

test("never plans above totalMax: machines being destroyed count until they are gone", () => {
  const destroying = [record("d1", "destroying"), record("d2", "destroying")];
  const asked = new Map(destroying.map(({ builder }) => [builder, NOW]));
  const observation = observed(destroying, { memory: { ...emptyMemory, destroyAskedMs: asked } });
  assert.equal(planned(observation, { reserveTarget: 3 }), ["create 2"]);
  assert.equal(planned(observation, { reserveTarget: 3, totalMax: 2 }), []);
});

test("on an incomplete listing plans no action, keeps its memory, and gives the problem as reason", () => {
  const memory = { ...emptyMemory, suspects: new Map([["x", 1]]) };
  const result = plan(observed([], { complete: false, problem: "no route", memory }), policy, NOW);
  assert.equal(result.actions, []);
  assert.is(result.memory, memory);
  assert.match(result.reason, "no route");
});

test("the machine of a requested builder is noted when it is listed, with its address", () => {
  const observation = observed([record("b", "requested")], {
    machines: [machine("b", { status: "booting", host: "10.0.0.7" })],
  });
  const [action] = plan(observation, policy, NOW).actions;
  assert.equal(action, {
    kind: "noteMachine",
    builder: "b",
    revision: 1,
    host: "10.0.0.7",
    reason: "the provider lists its machine",
  });
});

test("notes an address that becomes known later, once", () => {
  assert.equal(planned(observed([ready("r", { host: "" })])), ["noteMachine r"]);
  assert.equal(planned(observed([ready("r", { host: "" })], { machines: [machine("r", { host: "" })] })), []);
});

test("destroys a booting builder at exactly bootTimeoutMs and replaces it", () => {
  const at = (ageMs: number) => planned(observed([record("b", "booting", { createdAtMs: NOW - ageMs })]));
  assert.equal(at(policy.bootTimeoutMs - 1), []);
  assert.equal(at(policy.bootTimeoutMs), ["destroy b", "create 1"]);
});

test("destroys a ready builder at exactly silenceTimeoutMs and replaces it", () => {
  const at = (silentMs: number) =>
    planned(observed([ready("r")], { lastHeartbeatMs: new Map([["r", NOW - silentMs]]) }));
  assert.equal(at(policy.silenceTimeoutMs - 1), []);
  assert.equal(at(policy.silenceTimeoutMs), ["destroy r", "create 1"]);
});

test("silence and boot time count only from when the queue receives heartbeats", () => {
  const records = [ready("r", { sinceMs: 0, createdAtMs: 0 }), record("b", "booting", { createdAtMs: 0 })];
  const at = (listeningSinceMs: number | undefined) =>
    planned(observed(records, { lastHeartbeatMs: new Map(), listeningSinceMs }), { reserveTarget: 2 });
  assert.equal(at(undefined), []);
  assert.equal(at(NOW - policy.silenceTimeoutMs + 1), []);
  assert.equal(at(NOW - policy.silenceTimeoutMs), ["destroy r", "create 2"]);
  assert.equal(at(NOW - policy.bootTimeoutMs), ["destroy r", "destroy b", "create 2"]);
});

test("reports a silent leased builder as lost and never destroys it", () => {
  const at = (silentMs: number) =>
    plan(
      observed([ready("r"), record("l", "leased")], {
        lastHeartbeatMs: new Map([
          ["r", NOW],
          ["l", NOW - silentMs],
        ]),
      }),
      policy,
      NOW,
    );
  assert.equal(kinds(at(policy.silenceTimeoutMs - 1)), []);
  assert.equal(kinds(at(policy.silenceTimeoutMs)), ["lost l"]);
  assert.is(at(policy.silenceTimeoutMs).actions.find((action) => action.kind === "lost")?.build, "build-of-l");
});

test("a leased builder with a machine in error or being destroyed is lost, not destroyed", () => {
  for (const status of ["error", "destroying"] as const) {
    const machines = [machine("r"), machine("l", { status })];
    assert.equal(planned(observed([ready("r"), record("l", "leased")], { machines })), ["lost l"], status);
  }
});

test("a machine in error is destroyed and replaced, with the fault as reason", () => {
  const result = plan(
    observed([record("b", "booting")], { machines: [machine("b", { status: "error", fault: "no host" })] }),
    policy,
    NOW,
  );
  assert.equal(kinds(result), ["destroy b", "create 1"]);
  assert.match(result.actions[0]?.reason ?? "", "no host");
});

test("a machine counts as vanished in the second listing without it, confirmMs after the first", () => {
  const records = [ready("r"), record("l", "leased")];
  const at = (sinceMs?: number) => {
    const suspects = new Map(sinceMs === undefined ? [] : records.map(({ builder }) => [builder, sinceMs] as const));
    return plan(observed(records, { machines: [], memory: { ...emptyMemory, suspects } }), policy, NOW);
  };
  assert.equal(kinds(at()), []);
  assert.equal(
    [...at().memory.suspects],
    [
      ["r", NOW],
      ["l", NOW],
    ],
  );
  assert.is(at().nextPassAtMs, NOW + policy.confirmMs);
  assert.equal(kinds(at(NOW - policy.confirmMs + 1)), []);
  assert.equal(kinds(at(NOW - policy.confirmMs)), ["destroy r", "lost l", "create 2"]);
});

test("a listing that was started before a builder took its state does not contradict the state", () => {
  const memory = { ...emptyMemory, suspects: new Map([["r", 0]]) };
  const at = (sinceMs: number) => planned(observed([ready("r", { sinceMs })], { machines: [], memory }));
  assert.equal(at(NOW), []);
  assert.equal(at(NOW - 1), ["destroy r", "create 1"]);
});

test("the machine of a failed create is noted if it is listed; if not, the builder is given up", () => {
  const failed = record("b", "requested", { createError: "timed out" });
  assert.equal(planned(observed([failed], { machines: [machine("b")] })), ["noteMachine b"]);
  assert.equal(planned(observed([failed])), ["destroy b", "create 1"]);
});

test("a create without a machine is given up at exactly createGraceMs", () => {
  const at = (ageMs: number) => planned(observed([record("b", "requested", { createdAtMs: NOW - ageMs })]));
  assert.equal(at(policy.createGraceMs - 1), []);
  assert.equal(at(policy.createGraceMs), ["destroy b", "create 1"]);
});

test("a machine still listed is destroyed again after destroyRetryMs, and at once after a restart", () => {
  const at = (asked: readonly (readonly [string, number])[]) =>
    planned(
      observed([ready("r"), record("d", "destroying")], { memory: { ...emptyMemory, destroyAskedMs: new Map(asked) } }),
    );
  assert.equal(at([]), ["destroy d"]);
  assert.equal(at([["d", NOW - policy.destroyRetryMs + 1]]), []);
  assert.equal(at([["d", NOW - policy.destroyRetryMs]]), ["destroy d"]);
});

test("a destroyed builder is gone when it is not listed; one that was never listed, after its grace", () => {
  const at = (wasListed: boolean, ageMs: number) =>
    planned(
      observed([ready("r"), record("d", "destroying", { seen: wasListed, createdAtMs: NOW - ageMs })], {
        machines: [machine("r")],
      }),
    );
  assert.equal(at(true, 1000), ["gone d"]);
  assert.equal(at(false, policy.createGraceMs - 1), []);
  assert.equal(at(false, policy.createGraceMs), ["gone d"]);
});

test("a listing that was started before a builder was given up does not prove that it is gone", () => {
  const at = (sinceMs: number) =>
    planned(observed([ready("r"), record("d", "destroying", { sinceMs })], { machines: [machine("r")] }));
  assert.equal(at(NOW), []);
  assert.equal(at(NOW - 1), ["gone d"]);
});

test("a record in state gone is closed", () => {
  assert.equal(planned(observed([ready("r"), record("x", "gone")])), ["gone x"]);
});

test("gives the reason why builds wait: booting, or the maximum", () => {
  const reasonFor = (records: readonly BuilderRecord[], waiting: number) =>
    plan(observed(records, { waiting }), policy, NOW).reason;
  assert.is(reasonFor([record("b", "booting")], 0), "1 builder booting");
  const leased = ["1", "2", "3"].map((id) => record(id, "leased"));
  assert.is(reasonFor(leased, 1), "the maximum of 3 builders is reached (3 exist)");
  assert.is(reasonFor([], 0), "builders are being created");
});

test("after the clock was set back a destroyed builder is confirmed gone, one destroyed after the listing is not", () => {
  const at = (sinceMs: number) =>
    plan(observed([record("x", "destroying", { sinceMs })], { machines: [] }), policy, NOW + 10).actions.map(
      ({ kind }) => kind,
    );
  assert.not.ok(at(NOW + 10).includes("gone"));
  assert.ok(at(NOW + 11).includes("gone"));
});

test("gives the failure as reason if failed creates hold the slots, and the maximum if builders do", () => {
  const memory = {
    ...emptyMemory,
    backoff: { failures: 1, lastFailureMs: NOW - 1, untilMs: NOW, reason: "a create failed: no" },
  };
  const reasonFor = (states: readonly BuilderState[]) =>
    plan(
      observed(
        states.map((state, n) => record(`b${n}`, state, { seen: false })),
        { waiting: 1, memory },
      ),
      policy,
      NOW,
    ).reason;
  const failed = "2 builders must be destroyed first; the last failure: a create failed: no";
  assert.is(reasonFor(["leased", "destroying", "destroying"]), failed);
  assert.is(reasonFor(["leased", "leased", "leased"]), "the maximum of 3 builders is reached (3 exist)");
});

test("plans at most callsPerPass creates and as many destroys", () => {
  const many = Array.from({ length: 5 }, (_, n) => ready(`r${n}`));
  assert.is(planned(observed(many), { callsPerPass: 2 }).length, 2);
  assert.is(planned(observed([]), { callsPerPass: 2, reserveTarget: 9, totalMax: 9 }).length, 2);
});

test("is deterministic and does not change its input", () => {
  const observation = observed([
    ready("r", { sinceMs: 0 }),
    record("b", "booting", { createdAtMs: 0 }),
    record("l", "leased"),
  ]);
  const before = structuredClone(observation);
  assert.equal(plan(observation, policy, NOW), plan(observation, policy, NOW));
  assert.equal(observation, before);
});

test("plans the next pass at the earliest deadline", () => {
  const booting = record("b", "booting", { createdAtMs: NOW - policy.bootTimeoutMs + 700 });
  assert.is(plan(observed([booting]), policy, NOW).nextPassAtMs, NOW + 700);
  assert.is(plan(observed([record("r", "requested")]), policy, NOW).nextPassAtMs, NOW + policy.pendingMs);
  const destroyingFor = (ms: number) =>
    plan(observed([ready("r"), record("d", "destroying", { sinceMs: NOW - ms })]), policy, NOW).nextPassAtMs - NOW;
  const day = 24 * 3_600_000;
  assert.equal([0, 10 * policy.pendingMs + 5, day].map(destroyingFor), [
    policy.pendingMs,
    policy.pendingMs,
    policy.relistMs,
  ]);
});

test.run();

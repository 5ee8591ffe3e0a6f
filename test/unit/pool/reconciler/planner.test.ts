import { suite } from "uvu";
import * as assert from "uvu/assert";
import { plan } from "../../../../lib/pool/reconciler/planner.ts";
import type { BuilderRecord, BuilderState } from "../../../../lib/pool/state/record.ts";
import { calm, claim, kinds, machine, NOW, planned, policy, record, seen } from "./scene.ts";

const test = suite("plan()");

const ready = (id: string, changes: Partial<BuilderRecord> = {}) => record(id, "ready", changes);

test("fills an empty pool up to the target, one slot each, and says why", () => {
  const result = plan(seen([]), { ...policy, reserveTarget: 2 }, NOW);
  assert.equal(kinds(result), ["create 0", "create 1"]);
  assert.is(result.actions[0]?.reason, "0 ready and 0 on their way, 2 wanted");
});

test("does nothing at the target, says nothing, and looks again after relistMs", () => {
  const result = plan(seen([ready("r")]), policy, NOW);
  assert.equal([kinds(result), result.reason, result.nextPassAtMs], [[], "", NOW + policy.relistMs]);
});

test("makes one more for each waiting build, and counts what is on its way", () => {
  assert.equal(planned(seen([ready("r")], { waiting: 1 })), ["create 1"]);
  assert.equal(planned(seen([ready("r"), record("b", "booting")], { waiting: 1 })), []);
});

test("does not count leased builders as reserve", () => {
  assert.equal(planned(seen([record("l", "leased")])), ["create 1"]);
});

test("never plans above totalMax: doomed machines count until they are gone", () => {
  const going = [record("d1", "destroying"), record("d2", "destroying")];
  const asked = new Map(going.map(({ builder }) => [builder, NOW]));
  const look = seen(going, { memory: { ...calm, destroyAskedMs: asked } });
  assert.equal(planned(look, { reserveTarget: 3 }), ["create 2"]);
  assert.equal(planned(look, { reserveTarget: 3, totalMax: 2 }), []);
});

test("counts machines of another generation and unknown ones against totalMax", () => {
  const machines = [machine("x", { generation: "old" }), machine("y")];
  assert.equal(planned(seen([], { machines }), { reserveTarget: 3 }), ["report x", "create 0"]);
});

test("counts slots that no record holds against totalMax, and does not use them", () => {
  const slots = [claim(0, "x", NOW), claim(2, "y", NOW)];
  assert.equal(planned(seen([], { slots }), { reserveTarget: 3 }), ["create 1"]);
});

test("does nothing on an incomplete listing, keeps what it remembers, and says why", () => {
  const memory = { ...calm, suspects: new Map([["x", 1]]) };
  const result = plan(seen([], { complete: false, problem: "no route", memory }), policy, NOW);
  assert.equal(result.actions, []);
  assert.is(result.memory, memory);
  assert.match(result.reason, "no route");
});

test("a requested builder that is listed is seen, with its address", () => {
  const look = seen([record("b", "requested")], { machines: [machine("b", { status: "booting", host: "10.0.0.7" })] });
  const [action] = plan(look, policy, NOW).actions;
  assert.equal(action, {
    kind: "see",
    builder: "b",
    revision: 1,
    host: "10.0.0.7",
    reason: "the provider lists its machine",
  });
});

test("notes an address that becomes known later, once", () => {
  assert.equal(planned(seen([ready("r", { host: "" })])), ["see r"]);
  assert.equal(planned(seen([ready("r", { host: "" })], { machines: [machine("r", { host: "" })] })), []);
});

test("destroys a booting builder at exactly bootTimeoutMs and replaces it", () => {
  const at = (ageMs: number) => planned(seen([record("b", "booting", { createdAtMs: NOW - ageMs })]));
  assert.equal(at(policy.bootTimeoutMs - 1), []);
  assert.equal(at(policy.bootTimeoutMs), ["destroy b", "create 1"]);
});

test("destroys a ready builder at exactly silenceTimeoutMs and replaces it", () => {
  const at = (silentMs: number) => planned(seen([ready("r")], { lastHeartbeatMs: new Map([["r", NOW - silentMs]]) }));
  assert.equal(at(policy.silenceTimeoutMs - 1), []);
  assert.equal(at(policy.silenceTimeoutMs), ["destroy r", "create 1"]);
});

test("silence and boot time count only from where the queue was listening", () => {
  const records = [ready("r", { sinceMs: 0, createdAtMs: 0 }), record("b", "booting", { createdAtMs: 0 })];
  const at = (listeningSinceMs: number | undefined) =>
    planned(seen(records, { lastHeartbeatMs: new Map(), listeningSinceMs }), { reserveTarget: 2 });
  assert.equal(at(undefined), []);
  assert.equal(at(NOW - policy.silenceTimeoutMs + 1), []);
  assert.equal(at(NOW - policy.silenceTimeoutMs), ["destroy r", "create 2"]);
  assert.equal(at(NOW - policy.bootTimeoutMs), ["destroy r", "destroy b", "create 2"]);
});

test("says that a silent leased builder is lost and never destroys it", () => {
  const at = (silentMs: number) =>
    plan(
      seen([ready("r"), record("l", "leased")], {
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

test("a leased builder whose machine is in error or being taken away is lost, not destroyed", () => {
  for (const status of ["error", "destroying"] as const) {
    const machines = [machine("r"), machine("l", { status })];
    assert.equal(planned(seen([ready("r"), record("l", "leased")], { machines })), ["lost l"], status);
  }
});

test("a machine in error is destroyed and replaced, with the fault as reason", () => {
  const result = plan(
    seen([record("b", "booting")], { machines: [machine("b", { status: "error", fault: "no host" })] }),
    policy,
    NOW,
  );
  assert.equal(kinds(result), ["destroy b", "create 1"]);
  assert.match(result.actions[0]?.reason ?? "", "no host");
});

test("a vanished machine is believed at the second look, confirmMs after the first", () => {
  const records = [ready("r"), record("l", "leased")];
  const at = (sinceMs?: number) => {
    const suspects = new Map(sinceMs === undefined ? [] : records.map(({ builder }) => [builder, sinceMs] as const));
    return plan(seen(records, { machines: [], memory: { ...calm, suspects } }), policy, NOW);
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

test("a listing that was started before a state was taken does not speak against it", () => {
  const memory = { ...calm, suspects: new Map([["r", 0]]) };
  const at = (sinceMs: number) => planned(seen([ready("r", { sinceMs })], { machines: [], memory }));
  assert.equal(at(NOW), []);
  assert.equal(at(NOW - 1), ["destroy r", "create 1"]);
});

test("an unknown machine of ours is destroyed at the second look, confirmMs after the first", () => {
  const at = (sinceMs?: number) => {
    const suspects = new Map(sinceMs === undefined ? [] : [["x", sinceMs]]);
    return planned(seen([ready("r")], { machines: [machine("r"), machine("x")], memory: { ...calm, suspects } }));
  };
  assert.equal(at(), []);
  assert.equal(at(NOW - policy.confirmMs + 1), []);
  assert.equal(at(NOW - policy.confirmMs), ["destroyUnknown x"]);
});

test("machines of another generation are reported once; other installations and pools are not looked at", () => {
  const foreign = {
    g: machine("g", { generation: "old" }),
    i: machine("i", { installation: "j" }),
    p: machine("p", { pool: "q" }),
  };
  const memory = {
    ...calm,
    suspects: new Map([
      ["g", 0],
      ["i", 0],
      ["p", 0],
    ]),
  };
  const machines = [machine("r"), ...Object.values(foreign)];
  assert.equal(planned(seen([ready("r")], { machines })), ["report g"]);
  assert.equal(planned(seen([ready("r")], { machines, memory })), []);
});

test("a failed create is looked up in the listing: adopted if it is there, given up if not", () => {
  const failed = record("b", "requested", { createError: "timed out" });
  assert.equal(planned(seen([failed], { machines: [machine("b")] })), ["see b"]);
  assert.equal(planned(seen([failed])), ["destroy b", "create 1"]);
});

test("a create that nothing came of is given up at exactly createGraceMs", () => {
  const at = (ageMs: number) => planned(seen([record("b", "requested", { createdAtMs: NOW - ageMs })]));
  assert.equal(at(policy.createGraceMs - 1), []);
  assert.equal(at(policy.createGraceMs), ["destroy b", "create 1"]);
});

test("what is listed while it is destroyed is asked again after destroyRetryMs, and at once after a restart", () => {
  const at = (asked: readonly (readonly [string, number])[]) =>
    planned(seen([ready("r"), record("d", "destroying")], { memory: { ...calm, destroyAskedMs: new Map(asked) } }));
  assert.equal(at([]), ["destroy d"]);
  assert.equal(at([["d", NOW - policy.destroyRetryMs + 1]]), []);
  assert.equal(at([["d", NOW - policy.destroyRetryMs]]), ["destroy d"]);
});

test("a destroyed builder is gone when it is not listed, and one that was never listed after its grace", () => {
  const at = (was: boolean, ageMs: number) =>
    planned(
      seen([ready("r"), record("d", "destroying", { seen: was, createdAtMs: NOW - ageMs })], {
        machines: [machine("r")],
      }),
    );
  assert.equal(at(true, 1000), ["gone d"]);
  assert.equal(at(false, policy.createGraceMs - 1), []);
  assert.equal(at(false, policy.createGraceMs), ["gone d"]);
});

test("a destroyed builder is not gone by a listing that was started before it was given up", () => {
  const at = (sinceMs: number) =>
    planned(seen([ready("r"), record("d", "destroying", { sinceMs })], { machines: [machine("r")] }));
  assert.equal(at(NOW), []);
  assert.equal(at(NOW - 1), ["gone d"]);
});

test("a record that says gone is closed", () => {
  assert.equal(planned(seen([ready("r"), record("x", "gone")])), ["gone x"]);
});

test("a slot without a record is freed after its grace, and not while its machine is listed", () => {
  const at = (ageMs: number, machines = [machine("r")]) =>
    planned(seen([ready("r")], { machines, slots: [claim(0, "r", NOW), claim(1, "x", NOW - ageMs)] }));
  assert.equal(at(policy.claimGraceMs - 1), []);
  assert.equal(at(policy.claimGraceMs), ["freeSlot 1"]);
  assert.equal(at(policy.claimGraceMs, [machine("r"), machine("x")]), []);
});

test("says why builds wait: booting, or the maximum", () => {
  const why = (records: readonly BuilderRecord[], waiting: number) =>
    plan(seen(records, { waiting }), policy, NOW).reason;
  assert.is(why([record("b", "booting")], 0), "1 builder booting");
  const leased = ["1", "2", "3"].map((id) => record(id, "leased"));
  assert.is(why(leased, 1), "the maximum of 3 builders is reached (3 exist)");
  assert.is(why([], 0), "builders are being made");
});

test("a builder on its way out from before the clock was set back is confirmed gone, one from after the listing is not", () => {
  const at = (sinceMs: number) =>
    plan(seen([record("x", "destroying", { sinceMs })], { machines: [] }), policy, NOW + 10).actions.map(
      ({ kind }) => kind,
    );
  assert.not.ok(at(NOW + 10).includes("gone"));
  assert.ok(at(NOW + 11).includes("gone"));
});

test("says the failure where creates that failed hold the places, and the maximum where builders do", () => {
  const memory = {
    ...calm,
    backoff: { failures: 1, lastFailureMs: NOW - 1, untilMs: NOW, reason: "a create failed: no" },
  };
  const why = (states: readonly BuilderState[]) =>
    plan(
      seen(
        states.map((state, n) => record(`b${n}`, state, { seen: false })),
        { waiting: 1, memory },
      ),
      policy,
      NOW,
    ).reason;
  const failed = "2 builders on the way out must be gone first; the last to fail: a create failed: no";
  assert.is(why(["leased", "destroying", "destroying"]), failed);
  assert.is(why(["leased", "leased", "leased"]), "the maximum of 3 builders is reached (3 exist)");
});

test("plans at most callsPerLook creates and as many destroys", () => {
  const many = Array.from({ length: 5 }, (_, n) => ready(`r${n}`));
  assert.is(planned(seen(many), { callsPerPass: 2 }).length, 2);
  assert.is(planned(seen([]), { callsPerPass: 2, reserveTarget: 9, totalMax: 9 }).length, 2);
});

test("is deterministic and changes nothing that it is given", () => {
  const look = seen([ready("r", { sinceMs: 0 }), record("b", "booting", { createdAtMs: 0 }), record("l", "leased")]);
  const before = structuredClone(look);
  assert.equal(plan(look, policy, NOW), plan(look, policy, NOW));
  assert.equal(look, before);
});

test("looks again at the earliest deadline", () => {
  const booting = record("b", "booting", { createdAtMs: NOW - policy.bootTimeoutMs + 700 });
  assert.is(plan(seen([booting]), policy, NOW).nextPassAtMs, NOW + 700);
  assert.is(plan(seen([record("r", "requested")]), policy, NOW).nextPassAtMs, NOW + policy.pendingMs);
  const goingFor = (ms: number) =>
    plan(seen([ready("r"), record("d", "destroying", { sinceMs: NOW - ms })]), policy, NOW).nextPassAtMs - NOW;
  const day = 24 * 3_600_000;
  assert.equal([0, 10 * policy.pendingMs + 5, day].map(goingFor), [
    policy.pendingMs,
    policy.pendingMs,
    policy.relistMs,
  ]);
});

test.run();

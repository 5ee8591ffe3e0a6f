import { suite } from "uvu";
import * as assert from "uvu/assert";
import { claim, emptyMemory, machine, NOW, observed, planned, policy, record } from "./observed.ts";

const test = suite("plan() of unrecorded machines and slots");

const ready = (id: string) => record(id, "ready");

test("counts unrecorded machines, also of another generation, against totalMax", () => {
  const machines = [machine("x", { generation: "old" }), machine("y")];
  assert.equal(planned(observed([], { machines }), { reserveTarget: 3 }), ["report x", "create 0"]);
});

test("counts slots without a record against totalMax, and does not use them", () => {
  const slots = [claim(0, "x", NOW), claim(2, "y", NOW)];
  assert.equal(planned(observed([], { slots }), { reserveTarget: 3 }), ["create 1"]);
});

test("an unrecorded machine is destroyed at the second listing with it, confirmMs after the first", () => {
  const at = (sinceMs?: number) => {
    const suspects = new Map(sinceMs === undefined ? [] : [["x", sinceMs]]);
    return planned(
      observed([ready("r")], { machines: [machine("r"), machine("x")], memory: { ...emptyMemory, suspects } }),
    );
  };
  assert.equal(at(), []);
  assert.equal(at(NOW - policy.confirmMs + 1), []);
  assert.equal(at(NOW - policy.confirmMs), ["destroyUnrecorded x"]);
});

test("machines of another generation are reported once; other installations and pools are ignored", () => {
  const others = {
    g: machine("g", { generation: "old" }),
    i: machine("i", { installation: "j" }),
    p: machine("p", { pool: "q" }),
  };
  const memory = {
    ...emptyMemory,
    suspects: new Map([
      ["g", 0],
      ["i", 0],
      ["p", 0],
    ]),
  };
  const machines = [machine("r"), ...Object.values(others)];
  assert.equal(planned(observed([ready("r")], { machines })), ["report g"]);
  assert.equal(planned(observed([ready("r")], { machines, memory })), []);
});

test("a slot without a record is freed after its grace, and not while its machine is listed", () => {
  const at = (ageMs: number, machines = [machine("r")]) =>
    planned(observed([ready("r")], { machines, slots: [claim(0, "r", NOW), claim(1, "x", NOW - ageMs)] }));
  assert.equal(at(policy.claimGraceMs - 1), []);
  assert.equal(at(policy.claimGraceMs), ["freeSlot 1"]);
  assert.equal(at(policy.claimGraceMs, [machine("r"), machine("x")]), []);
});

test.run();

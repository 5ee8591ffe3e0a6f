import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import {
  BUILDER_STATES,
  type BuilderRecord,
  type BuilderState,
  parseRecord,
} from "../../../../lib/pool/state/record.ts";
import * as transitions from "../../../../lib/pool/state/transitions.ts";

const test = suite("transitions");

const builder = "11111111-1111-4111-8111-111111111111";
const build = "22222222-2222-4222-8222-222222222222";
const request = { builder, attempt: builder, pool: "p", slot: 3, reason: "0 ready, 1 wanted" };

function inState(state: BuilderState): BuilderRecord {
  return { ...transitions.requested(request, 5), state };
}

const moves: Record<string, (record: BuilderRecord) => BuilderRecord> = {
  booting: (record) => transitions.booting(record, "host", 9),
  ready: (record) => transitions.ready(record, 9),
  leased: (record) => transitions.leased(record, build, 9),
  markedForDestroy: (record) => transitions.markedForDestroy(record, "test", 9),
  released: (record) => transitions.released(record, "test", 9),
  gone: (record) => transitions.gone(record, "test", 9),
};

const allowed: Record<string, readonly BuilderState[]> = {
  booting: ["requested"],
  ready: ["requested", "booting"],
  leased: ["ready"],
  markedForDestroy: ["requested", "booting", "ready"],
  released: ["requested", "booting", "ready", "leased"],
  gone: ["destroying"],
};

for (const [name, move] of Object.entries(moves)) {
  test(`${name}() is allowed only from ${allowed[name]?.join(", ")}`, () => {
    for (const state of BUILDER_STATES) {
      if (allowed[name]?.includes(state)) assert.is(move(inState(state)).sinceMs, 9);
      else
        assert.throws(
          () => move(inState(state)),
          (error: unknown) => error instanceof CbError && error.kind === "bug",
        );
    }
  });
}

test("every record from requested to gone can be read back", () => {
  const steps = ["booting", "ready", "leased", "released", "gone"];
  let record = transitions.requested(request, 5);
  for (const step of steps) {
    record = moves[step]?.(record) ?? record;
    assert.equal(parseRecord(JSON.stringify(record), "key"), record);
  }
  assert.equal([record.state, record.build, record.createdAtMs, record.seen], ["gone", build, 5, true]);
});

const hold = { operator: "ada", reason: "a look", untilMs: 100 };

test("held() is allowed in each state but gone, and while destroying only to extend a hold; the hold outlives the build", () => {
  for (const state of BUILDER_STATES) {
    const isBug = (error: unknown) => error instanceof CbError && error.kind === "bug";
    if (state === "gone" || state === "destroying") assert.throws(() => transitions.held(inState(state), hold), isBug);
    else assert.equal(transitions.held(inState(state), hold), { ...inState(state), held: hold });
  }
  const ended = transitions.released(transitions.held(inState("leased"), hold), "its build has ended", 9);
  assert.equal([ended.state, ended.held], ["destroying", hold]);
  const longer = { ...hold, untilMs: 200 };
  assert.equal(transitions.held(ended, longer).held, longer);
  assert.equal(parseRecord(JSON.stringify(ended), "key"), ended);
});

test("holdReleased() leaves a leased builder to its build, and gives every other up", () => {
  const after = (state: BuilderState) => transitions.holdReleased({ ...inState(state), held: hold }, "by ada", 9);
  assert.equal(after("leased"), inState("leased"));
  assert.equal(after("destroying"), inState("destroying"));
  for (const state of ["requested", "booting", "ready"] as const) {
    assert.equal(after(state), transitions.markedForDestroy(inState(state), "by ada", 9));
  }
});

test("a long reason is clipped to the limit of a record", () => {
  const record = transitions.markedForDestroy(inState("booting"), "x".repeat(10_000), 9);
  assert.equal(parseRecord(JSON.stringify(record), "key"), record);
  const failed = transitions.builderCreateFailed(inState("requested"), "x".repeat(10_000), false);
  assert.equal(parseRecord(JSON.stringify(failed), "key"), failed);
});

test("parseRecord() throws CbError config on unknown fields, other versions, bad ids and invalid JSON", () => {
  const good = transitions.requested(request, 5);
  const bad = [
    { ...good, v: 2 },
    { ...good, extra: 1 },
    { ...good, builder: "a.b" },
    { ...good, pool: "p.q" },
    { ...good, slot: -1 },
  ];
  for (const text of [...bad.map((one) => JSON.stringify(one)), "{", ""]) {
    assert.throws(
      () => parseRecord(text, "p.x"),
      (error: unknown) => error instanceof CbError && error.kind === "config",
    );
  }
});

test.run();

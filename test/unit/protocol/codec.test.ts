import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { buildState, reserveRequest } from "../../../lib/protocol/build-messages.ts";
import { agentRequest } from "../../../lib/protocol/builder-messages.ts";
import { decode, encode, MESSAGE_MAX_BYTES } from "../../../lib/protocol/codec.ts";

const test = suite("codec");

const refused = (work: () => unknown, pattern: RegExp) => {
  try {
    work();
    assert.unreachable();
  } catch (error) {
    assert.ok(error instanceof CbError);
    assert.is(error.kind, "usage");
    assert.match(error.message, pattern);
  }
};

const bytes = (text: string) => new TextEncoder().encode(text);

test("decode() reads the output of encode()", () => {
  const state = { v: 1, state: "queued", position: 1, reason: "none" };
  assert.equal(decode(buildState, encode(state), "state"), state);
});

test("decode() refuses invalid JSON, invalid UTF-8, deep nesting and too many bytes", () => {
  refused(() => decode(buildState, bytes("{"), "m"), /not JSON/);
  refused(() => decode(buildState, Uint8Array.of(0x22, 0xff, 0x22), "m"), /not JSON in UTF-8/);
  refused(() => decode(buildState, bytes("[".repeat(1_000_000)), "m"), /nested deeper than 32/);
  refused(() => decode(buildState, new Uint8Array(MESSAGE_MAX_BYTES + 1), "m"), /more than/);
});

test("decode() refuses another version, an unknown state, and an id that is not one subject token", () => {
  refused(() => decode(buildState, encode({ v: 2, state: "building" }), "m"), /versions/);
  refused(() => decode(buildState, encode({ v: 1, state: "flying" }), "m"), /state/);
  for (const builder of ["a.b", "*", ">", "60c95481-92f3-4491-94d3-14c45bfbc279\r\nPUB x 0\r\n", ""]) {
    refused(() => decode(agentRequest, encode({ v: 1, state: "ready", builder, publicKey: "U" }), "m"), /builder/);
  }
});

test("decode() accepts 32 levels and brackets in strings, and refuses 33 levels", () => {
  const deep = (levels: number) =>
    bytes(`{"v":1,"state":"building","x":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`);
  decode(buildState, deep(32), "m");
  refused(() => decode(buildState, deep(33), "m"), /nested/);
  const reason = `\\"${"[{".repeat(100)}`;
  assert.equal(decode(buildState, encode({ v: 1, state: "lost", reason }), "m"), { v: 1, state: "lost", reason });
});

test("decode() refuses more values than its bound, of each type, and ignores commas in strings", () => {
  const list = (values: number, one: string) => bytes(`{"v":1,"state":"building","x":[${Array(values).fill(one)}]}`);
  // The object, two strings, the array, and its elements.
  for (const one of ["0", '"a,[{"', "null"]) {
    decode(buildState, list(6, one), "m", { maxValues: 10 });
    refused(() => decode(buildState, list(7, one), "m", { maxValues: 10 }), /^m: more than 10 values$/);
  }
  refused(() => decode(buildState, list(7, "{}"), "m", { maxValues: 10 }), /more than 10 values/);
});

test("decode() truncates its quotes of invalid input", () => {
  const long = "x".repeat(1_000_000);
  for (const wrong of [long, { v: 1, state: long }, { [long]: 1 }]) {
    refused(() => decode(buildState, encode(wrong), "m"), /^.{1,500}$/);
    refused(() => decode(reserveRequest, encode({ recipe: { buildArgs: wrong } }), "m"), /^.{1,1200}$/);
  }
});

test("decode() limits the recipe by bytes, not characters", () => {
  const request = (text: string) => ({
    v: 1,
    request: "60c95481-92f3-4491-94d3-14c45bfbc279",
    publicKey: `U${"A".repeat(55)}`,
    recipe: { backend: "singularity", text },
  });
  const limit = 1024 * 1024;
  decode(reserveRequest, encode(request("x".repeat(limit))), "m");
  refused(() => decode(reserveRequest, encode(request("x".repeat(limit + 1))), "m"), /recipe.text/);
  refused(() => decode(reserveRequest, encode(request("ä".repeat(limit / 2 + 1))), "m"), /recipe.text/);
});

test.run();

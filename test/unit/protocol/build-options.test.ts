import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { recipeSchema } from "../../../lib/protocol/build-messages.ts";
import { passedOptions } from "../../../lib/protocol/build-options.ts";

const test = suite("build options");

const accepts = (options: unknown): boolean => v.is(passedOptions, options);
const bind = { source: "/a", destination: "/b" };

test("the queue refuses an option that it does not know, also inside a bind", () => {
  assert.ok(accepts({ noTest: true, binds: [bind] }));
  assert.not.ok(accepts({ noTest: true, sandbox: true }));
  assert.not.ok(accepts({ binds: [{ ...bind, options: "suid" }] }));
  assert.not.ok(v.is(recipeSchema, { backend: "docker", text: "FROM x", options: { network: "host" } }));
  assert.ok(v.is(recipeSchema, { backend: "docker", text: "FROM x", options: { target: "x" } }));
});

test("each value is bounded, and has no control character", () => {
  for (const name of ["library", "target", "mksquashfsArgs"]) {
    assert.ok(accepts({ [name]: "x".repeat(4096) }), name);
    for (const value of ["x".repeat(4097), "", "a\nb", "a\0b", 1, true])
      assert.not.ok(accepts({ [name]: value }), name);
  }
  for (const value of ["v".repeat(33), "", "a b", "-"])
    assert.is(accepts({ archVariant: value }), value === "-", value);
  assert.not.ok(accepts({ noTest: false }));
});

test("binds and labels are bounded in number, and their paths are absolute", () => {
  assert.ok(accepts({ binds: Array.from({ length: 100 }, () => bind) }));
  assert.not.ok(accepts({ binds: Array.from({ length: 101 }, () => bind) }));
  for (const path of ["a", "", `/${"a".repeat(4096)}`, "/a\0b", "/a\nb"]) {
    assert.not.ok(accepts({ binds: [{ ...bind, source: path }] }));
    assert.not.ok(accepts({ binds: [{ ...bind, destination: path }] }));
  }
  const labels = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`l${n}`, ""]));
  assert.ok(accepts({ labels: labels(100) }));
  assert.not.ok(accepts({ labels: labels(101) }));
  assert.not.ok(accepts({ labels: { "a=b": "c" } }));
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../lib/core/errors.ts";
import { describe, discover, isMeant, isTimely } from "./discover.ts";

const test = suite("test/runner/discover");
const everything = { patterns: [], unitOnly: false, slow: false, full: false, openstack: false };
const root = new URL("../..", import.meta.url).pathname;

test("isMeant() leaves *.full.test.ts out unless full", () => {
  assert.not(isMeant("test/sim/long.full.test.ts", everything));
  assert.ok(isMeant("test/sim/long.full.test.ts", { ...everything, full: true }));
});

test("isTimely() leaves slow files to a run of their own, to one of everything, and to patterns", () => {
  const isSlowIn = (changes: Partial<typeof everything>) => isTimely(true, { ...everything, ...changes });
  assert.not(isSlowIn({}));
  assert.ok(isSlowIn({ slow: true }));
  assert.ok(isSlowIn({ full: true }));
  assert.ok(isTimely(true, { ...everything, patterns: ["cancel"] }));
  assert.ok(isTimely(false, everything));
  assert.not(isTimely(false, { ...everything, slow: true }));
});

test("isMeant() leaves test/integration out of unit tests", () => {
  assert.not(isMeant("test/integration/build/build.test.ts", { ...everything, unitOnly: true }));
  assert.ok(isMeant("test/unit/pool/reconciler/planner.test.ts", { ...everything, unitOnly: true }));
});

test("isMeant() takes *.openstack.test.ts when asked for them, and nothing else then", () => {
  const cloud = { ...everything, openstack: true };
  assert.not(isMeant("test/openstack/contract.openstack.test.ts", { ...everything, full: true }));
  assert.ok(isMeant("test/openstack/contract.openstack.test.ts", cloud));
  assert.not(isMeant("test/unit/pool/reconciler/planner.test.ts", { ...cloud, full: true }));
  assert.not(isMeant("test/openstack/faults.full.openstack.test.ts", cloud));
  assert.ok(isMeant("test/openstack/faults.full.openstack.test.ts", { ...cloud, full: true }));
});

test("isMeant() takes a part of the path and a glob", () => {
  const of = (...patterns: string[]) =>
    isMeant("test/unit/pool/reconciler/planner.test.ts", { ...everything, patterns });
  assert.ok(of("reconciler/pl"));
  assert.ok(of("unit/*/plan"));
  assert.ok(of("nothing", "plan"));
  assert.not(of("queue"));
  assert.not(of("lib/*.full"));
  assert.not(of("plan.tes.", "pl.n*"));
});

test("discover() finds this file and throws usage when nothing matches", () => {
  const found = discover(root, { ...everything, patterns: ["runner/discover"] });
  assert.equal(
    found.map((file) => file.path),
    ["test/runner/discover.test.ts"],
  );
  const failing = () => discover(root, { ...everything, patterns: ["no such file"] });
  assert.throws(failing, (error: unknown) => error instanceof CbError && error.kind === "usage");
});

test("describe() reads the time limit from its own line, else takes 300 s", () => {
  assert.is(describe("test/a.test.ts", "// timeout: 600 s\nimport x;\n").timeoutMs, 600_000);
  assert.is(describe("test/a.test.ts", 'say("// timeout: 600 s");\n').timeoutMs, 300_000);
});

test("describe() counts the suites of the code, and not those in strings and comments", () => {
  const text = [
    'import { suite } from "uvu";',
    'const a = suite("a");',
    "const b = suite<{ folder: string }>(`b`);",
    '// const c = suite("c");',
    "const text = 'const d = suite(\"d\")';",
  ].join("\n");
  assert.is(describe("test/a.test.ts", text).declaredSuites, 2);
  assert.is(describe("test/a.test.ts", 'import { test } from "uvu";\n').declaredSuites, 1);
});

test("describe() knows that integration tests need programs, and which files say that they run alone", () => {
  assert.ok(describe("test/integration/a.test.ts", "").needsTools);
  assert.ok(describe("test/sim/a.full.test.ts", "").needsTools);
  assert.not(describe("test/unit/a.test.ts", "").needsTools);
  assert.ok(describe("test/integration/a.test.ts", "// alone: it measures\n").alone);
  assert.not(describe("test/integration/a.test.ts", "// alone:\n").alone);
});

test("describe() knows which files say that they are slow, and why", () => {
  assert.ok(describe("test/integration/a.test.ts", "// slow: ten builds\n").slow);
  assert.not(describe("test/integration/a.test.ts", "// slow:\n").slow);
});

test("describe() knows the testbed of an OpenStack test", () => {
  assert.is(describe("test/openstack/a.openstack.test.ts", "").testbed, "fake");
  assert.is(describe("test/openstack/a.openstack.test.ts", "// testbed: libvirt\n").testbed, "libvirt");
  assert.is(describe("test/integration/a.test.ts", "// testbed: libvirt\n").testbed, undefined);
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../lib/core/errors.ts";
import { describe, discover, isSelected, isSpeedSelected } from "./discover.ts";

const test = suite("test/runner/discover");
const everything = { patterns: [], unitOnly: false, slow: false, full: false, openstack: false, deploy: false };
const root = new URL("../..", import.meta.url).pathname;

test("isSelected() selects *.full.test.ts with --full only", () => {
  assert.not(isSelected("test/sim/long.full.test.ts", everything));
  assert.ok(isSelected("test/sim/long.full.test.ts", { ...everything, full: true }));
});

test("isSpeedSelected() selects slow files with --slow, with --full and with a pattern", () => {
  const isSlowIn = (changes: Partial<typeof everything>) => isSpeedSelected(true, { ...everything, ...changes });
  assert.not(isSlowIn({}));
  assert.ok(isSlowIn({ slow: true }));
  assert.ok(isSlowIn({ full: true }));
  assert.ok(isSpeedSelected(true, { ...everything, patterns: ["cancel"] }));
  assert.ok(isSpeedSelected(false, everything));
  assert.not(isSpeedSelected(false, { ...everything, slow: true }));
});

test("isSelected() leaves out test/integration with --unit", () => {
  assert.not(isSelected("test/integration/build/build.test.ts", { ...everything, unitOnly: true }));
  assert.ok(isSelected("test/unit/pool/reconciler/planner.test.ts", { ...everything, unitOnly: true }));
});

test("isSelected() selects *.openstack.test.ts with --openstack, and no other files then", () => {
  const cloud = { ...everything, openstack: true };
  assert.not(isSelected("test/openstack/contract.openstack.test.ts", { ...everything, full: true }));
  assert.ok(isSelected("test/openstack/contract.openstack.test.ts", cloud));
  assert.not(isSelected("test/unit/pool/reconciler/planner.test.ts", { ...cloud, full: true }));
  assert.not(isSelected("test/openstack/faults.full.openstack.test.ts", cloud));
  assert.ok(isSelected("test/openstack/faults.full.openstack.test.ts", { ...cloud, full: true }));
});

test("isSelected() selects *.deploy.test.ts with --deploy alone, and no other files then", () => {
  const path = "test/openstack/site.deploy.test.ts";
  assert.not(isSelected(path, { ...everything, full: true }));
  assert.not(isSelected(path, { ...everything, openstack: true, full: true }));
  assert.ok(isSelected(path, { ...everything, deploy: true }));
  assert.not(isSelected("test/openstack/contract.openstack.test.ts", { ...everything, deploy: true }));
  assert.is(describe(path, "// testbed: libvirt\n").testbed, "libvirt");
});

test("isSelected() matches a part of the path and a glob", () => {
  const of = (...patterns: string[]) =>
    isSelected("test/unit/pool/reconciler/planner.test.ts", { ...everything, patterns });
  assert.ok(of("reconciler/pl"));
  assert.ok(of("unit/*/plan"));
  assert.ok(of("nothing", "plan"));
  assert.not(of("queue"));
  assert.not(of("lib/*.full"));
  assert.not(of("plan.tes.", "pl.n*"));
});

test("discover() finds this file and throws a usage error when no file matches", () => {
  const found = discover(root, { ...everything, patterns: ["runner/discover"] });
  assert.equal(
    found.map((file) => file.path),
    ["test/runner/discover.test.ts"],
  );
  const failing = () => discover(root, { ...everything, patterns: ["no such file"] });
  assert.throws(failing, (error: unknown) => error instanceof CbError && error.kind === "usage");
});

test("describe() reads the time limit from its line; the default is 300 s", () => {
  assert.is(describe("test/a.test.ts", "// timeout: 600 s\nimport x;\n").timeoutMs, 600_000);
  assert.is(describe("test/a.test.ts", 'print("// timeout: 600 s");\n').timeoutMs, 300_000);
});

test("describe() counts the suites in code, not those in strings and comments", () => {
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

test("describe() marks integration tests as needing programs, and files with an alone line", () => {
  assert.ok(describe("test/integration/a.test.ts", "").needsTools);
  assert.ok(describe("test/sim/a.full.test.ts", "").needsTools);
  assert.not(describe("test/unit/a.test.ts", "").needsTools);
  assert.ok(describe("test/integration/a.test.ts", "// alone: it measures\n").alone);
  assert.not(describe("test/integration/a.test.ts", "// alone:\n").alone);
});

test("describe() marks files with a slow line and a reason", () => {
  assert.ok(describe("test/integration/a.test.ts", "// slow: ten builds\n").slow);
  assert.not(describe("test/integration/a.test.ts", "// slow:\n").slow);
});

test("describe() reads the testbed of an OpenStack test", () => {
  assert.is(describe("test/openstack/a.openstack.test.ts", "").testbed, "fake");
  assert.is(describe("test/openstack/a.openstack.test.ts", "// testbed: libvirt\n").testbed, "libvirt");
  assert.is(describe("test/integration/a.test.ts", "// testbed: libvirt\n").testbed, undefined);
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { badNames, crowdedFolders, tooLong } from "./shape.ts";
import type { SourceFile } from "./source.ts";
import { impurePlanners, subjectsOutsideProtocol, testsThatDoNotTest } from "./spelling.ts";

const test = suite("tidy/rules");

function file(path: string, ...lines: string[]): SourceFile {
  return { path, text: `${lines.join("\n")}\n` };
}

/** A rule finds nothing in `good`, and something that `expected` describes in `bad`. */
function assertRule(rule: (files: SourceFile[]) => string[], good: SourceFile[], bad: SourceFile[], expected: RegExp) {
  assert.is(rule(good).join("\n"), "");
  assert.match(rule(bad).join("\n"), expected);
}

test("subjectsOutsideProtocol() finds a subject in lib, cmd and agent, and none in lib/protocol or in a comment", () => {
  const good = [
    file("lib/protocol/subjects.ts", 'export const s = "build.<id>.log";'),
    file("lib/queue/a.ts", "// `build.<id>.log` carries lines", 'const path = "queue.yaml";'),
  ];
  for (const [path, line] of [
    ["lib/queue/a.ts", 'nc.publish("queue.reserve.ada");'],
    ["cmd/cb-status.ts", "nc.publish(`build.$\x7bid}.log`);"],
    ["agent/main.ts", "nc.request('builder.*.ask');"],
  ] as const) {
    assertRule(subjectsOutsideProtocol, good, [file(path, line)], /spells a subject/);
  }
});

test("impurePlanners() finds each effect in planner, transitions, decide and match, and in no other file", () => {
  const effects: [string, RegExp][] = [
    ["const t = Date.now();", /reads the clock/],
    ["const t = new Date();", /reads the clock/],
    ["const t = performance.now();", /reads the clock/],
    ["const r = Math.random();", /is random/],
    ["setTimeout(f, 1);", /sets a timer/],
    ["await f();", /waits/],
    ["export async function f() {}", /waits/],
    ["const e = process.env.X;", /has an effect/],
    ['console.log("x");', /has an effect/],
    ['import { readFileSync } from "node:fs";', /imports what has effects/],
    ['import { log } from "../log.ts";', /imports what has effects/],
  ];
  const good = file(
    "lib/pool/reconciler/planner.ts",
    'import type { Stats } from "node:fs";',
    "// not Date.now()",
    'log("await");',
  );
  for (const [line, expected] of effects) {
    for (const name of [
      "pool/reconciler/planner",
      "queue/builds/transitions",
      "pool/reconciler/decide",
      "queue/leases/match",
    ]) {
      assertRule(
        impurePlanners,
        [good, file("lib/pool/reconciler/loop.ts", line)],
        [file(`lib/${name}.ts`, line)],
        expected,
      );
    }
  }
});

test("badNames() refuses barrels, names without an idea, and names that are not kebab-case", () => {
  const good = [
    file("lib/queue/leases/parked-requests.ts"),
    file("test/sim/pool.full.test.ts"),
    file("infra/tools/start.mjs"),
  ];
  for (const path of [
    "lib/nats/index.ts",
    "lib/nats/utils.ts",
    "lib/helpers/a.ts",
    "lib/misc.ts",
    "test/my-helper.ts",
  ]) {
    assertRule(badNames, good, [file(path)], /barrel|names no idea/);
  }
  assertRule(badNames, good, [file("lib/parkedRequests.ts")], /kebab-case/);
});

test("tooLong() allows 300 lines", () => {
  const lines = (count: number): SourceFile[] => [file("lib/a.ts", ...Array.from({ length: count }, () => "x;"))];
  assertRule(tooLong, lines(300), lines(301), /has 301 lines/);
});

test("crowdedFolders() allows 20 files a folder, and counts no folder below it", () => {
  const folder = (count: number): string[] => Array.from({ length: count }, (_, i) => `lib/a/${i}.ts`);
  assert.equal(crowdedFolders([...folder(20), "lib/a/b/c.ts", "lib/d.ts"]), []);
  assert.equal(crowdedFolders(folder(21)), ["lib/a has 21 files; 20 are enough for one component"]);
});

test("testsThatDoNotTest() finds only, skip, sleeps and a missing run()", () => {
  const written = (...lines: string[]): SourceFile[] => [file("test/a.test.ts", ...lines, "test.run();")];
  const good = written("setTimeout(() => reject(new Error('late')), 100);", "// test.only(", "log('test.skip()');");
  for (const line of ['test.only("x", f);', 'test.skip("x", f);']) {
    assertRule(testsThatDoNotTest, good, written(line), /leaves tests out/);
  }
  for (const line of [
    "await new Promise((resolve) => setTimeout(resolve, 100));",
    'import { setTimeout } from "node:timers/promises";',
    "await sleep(100);",
    "Atomics.wait(a, 0, 0, 100);",
  ]) {
    assertRule(testsThatDoNotTest, good, written(line), /sleeps/);
  }
  assertRule(testsThatDoNotTest, good, [file("test/a.test.ts", 'test("x", f);')], /does not end with run/);
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { unreachedFiles, unusedExports } from "./dead.ts";
import { roomOf, wrongWay } from "./rooms.ts";
import { badNames, tooLong } from "./shape.ts";
import { importsOf, type SourceFile } from "./source.ts";
import { impurePlanners, subjectsOutsideBus, testsThatDoNotTest } from "./spelling.ts";

const test = suite("tidy/rules");

function file(path: string, ...lines: string[]): SourceFile {
  return { path, text: `${lines.join("\n")}\n` };
}

/** A rule finds nothing in `good`, and something that `expected` describes in `bad`. */
function assertRule(rule: (files: SourceFile[]) => string[], good: SourceFile[], bad: SourceFile[], expected: RegExp) {
  assert.is(rule(good).join("\n"), "");
  assert.match(rule(bad).join("\n"), expected);
}

test("importsOf() sees static, type, side effect, lazy and URL imports, over several lines too", () => {
  const found = importsOf(
    file(
      "lib/queue/a.ts",
      'import { x } from "../errors.ts";',
      "import type {",
      "  Y,",
      '} from "./y.ts";',
      'import "node:fs";',
      'export { z } from "./z.ts";',
      'const lazy = await import("../bus/b.ts");',
      'const url = new URL("./worker.ts", import.meta.url);',
      "// import { no } from './comment.ts';",
      "const text = 'import { no } from \"./text.ts\"';",
    ),
  );
  const seen = found.map(({ path, specifier, typeOnly }) => `${path ?? specifier}${typeOnly ? " type" : ""}`);
  assert.equal(seen.sort(), [
    "lib/bus/b.ts",
    "lib/errors.ts",
    "lib/queue/worker.ts",
    "lib/queue/y.ts type",
    "lib/queue/z.ts",
    "node:fs",
  ]);
});

test("roomOf() gives the folder of lib, and the top folder elsewhere", () => {
  assert.is(roomOf("lib/errors.ts"), "lib");
  assert.is(roomOf("lib/bus/subjects.ts"), "lib/bus");
  assert.is(roomOf("lib/provider/openstack/api.ts"), "lib/provider");
  assert.is(roomOf("agent/log/sender.ts"), "agent");
});

test("wrongWay() lets the queue import the bus, and not the other way round", () => {
  const down = file("lib/queue/a.ts", 'import { b } from "../bus/b.ts";');
  const up = file("lib/bus/b.ts", 'import { a } from "../queue/a.ts";');
  assertRule(wrongWay, [down], [up], /lib\/bus\/b\.ts imports lib\/queue\/a\.ts: lib\/queue is above/);
});

test("wrongWay() keeps pool, provider and queue from the agent, as types too", () => {
  for (const room of ["pool", "provider", "queue"]) {
    const bad = file("agent/main.ts", `import type { A } from "../lib/${room}/a.ts";`);
    const good = file("agent/main.ts", 'import { A } from "../lib/transfer/a.ts";');
    assertRule(wrongWay, [good], [bad], /agent never imports/);
  }
});

test("wrongWay() lets nothing but tests import the agent, and asks for the layer of a new room", () => {
  const good = file("test/agent/a.test.ts", 'import { a } from "../../agent/a.ts";');
  assertRule(wrongWay, [good], [file("cmd/x.ts", 'import { a } from "../agent/a.ts";')], /nothing imports it/);
  assertRule(wrongWay, [good], [file("lib/new/x.ts", 'import { a } from "../errors.ts";')], /lib\/new has no layer/);
});

test("subjectsOutsideBus() finds a subject in lib, cmd and agent, and not in lib/bus or in a comment", () => {
  const good = [
    file("lib/bus/subjects.ts", 'export const s = "build.<id>.log";'),
    file("lib/queue/a.ts", "// `build.<id>.log` carries lines", 'const path = "queue.yaml";'),
  ];
  for (const [path, line] of [
    ["lib/queue/a.ts", 'nc.publish("queue.reserve.ada");'],
    ["cmd/cb-status.ts", "nc.publish(`build.$\x7bid}.log`);"],
    ["agent/main.ts", "nc.request('builder.*.ask');"],
  ] as const) {
    assertRule(subjectsOutsideBus, good, [file(path, line)], /spells a subject/);
  }
});

test("impurePlanners() finds each effect in plan, transitions, decide and match, and only there", () => {
  const effects: [string, RegExp][] = [
    ["const t = Date.now();", /asks the clock/],
    ["const t = new Date();", /asks the clock/],
    ["const t = performance.now();", /asks the clock/],
    ["const r = Math.random();", /is random/],
    ["setTimeout(f, 1);", /sets a timer/],
    ["await f();", /waits/],
    ["export async function f() {}", /waits/],
    ["const e = process.env.X;", /reaches out/],
    ['console.log("x");', /reaches out/],
    ['import { readFileSync } from "node:fs";', /imports what has effects/],
    ['import { log } from "../log.ts";', /imports what has effects/],
  ];
  const good = file("lib/pool/plan.ts", 'import type { Stats } from "node:fs";', "// not Date.now()", 'say("await");');
  for (const [line, expected] of effects) {
    for (const name of ["pool/plan", "build/transitions", "queue/decide", "queue/match"]) {
      assertRule(impurePlanners, [good, file("lib/pool/loop.ts", line)], [file(`lib/${name}.ts`, line)], expected);
    }
  }
});

test("unreachedFiles() follows programs, tests, the agent and scripts", () => {
  const files = [
    file("cmd/cb-one.ts", 'await import("../lib/a.ts");'),
    file("lib/a.ts", 'import type { B } from "./b.ts";', 'spawn("infra/start.mjs");'),
    file("lib/b.ts"),
    file("agent/main.ts", 'import "./work.ts";'),
    file("agent/work.ts"),
    file("infra/start.mjs"),
    file("infra/build.ts"),
    file("test/a.test.ts", 'import "../lib/c.ts";'),
    file("lib/c.ts"),
  ];
  const scripts = "node infra/build.ts";
  const rule = (extra: SourceFile[]): string[] => unreachedFiles([...files, ...extra], scripts);
  assertRule(rule, [], [file("lib/dead.ts", 'import "./a.ts";')], /^lib\/dead\.ts is reached from/);
  assert.match(unreachedFiles(files, "").join(), /infra\/build\.ts is reached/);
});

test("unusedExports() finds functions and types that no importer names", () => {
  const user = (what: string): SourceFile => file("cmd/x.ts", `import { used } from "../lib/a.ts";`, `used(${what});`);
  const rule = (files: SourceFile[]): string[] => unusedExports([user("1"), ...files]);
  const good = file("lib/a.ts", "interface In {}", "export type Part = In;", "export function used(p: Part) {}");
  const bad = (line: string): SourceFile[] => [file("lib/a.ts", "export function used() {}", line)];
  assertRule(rule, [good], bad("export const spare = 1;"), /exports spare, which nobody uses/);
  assertRule(rule, [good], bad("export async function spare() {}\nspare();"), /exports spare/);
  assertRule(rule, [good], bad("export interface Spare {}"), /exports Spare/);
  assertRule(rule, [good], bad("const a = 1;\nexport { a as spare };"), /exports spare/);
});

test("unusedExports() does not take a name in a string, a comment or another file's import for a use", () => {
  const exporter = file("lib/a.ts", "export const spare = 1;");
  const speaker = file("cmd/x.ts", 'import "../lib/a.ts";', "// spare", 'say("spare");');
  const stranger = file("cmd/y.ts", 'import { spare } from "../lib/b.ts";');
  assert.match(unusedExports([exporter, speaker, stranger]).join(), /exports spare/);
});

test("badNames() refuses barrels, names of nothing and other cases", () => {
  const good = [file("lib/queue/parked-asks.ts"), file("test/sim/pool.full.test.ts"), file("infra/start.mjs")];
  for (const path of ["lib/bus/index.ts", "lib/bus/utils.ts", "lib/helpers/a.ts", "lib/misc.ts", "test/my-helper.ts"]) {
    assertRule(badNames, good, [file(path)], /barrel|named after nothing/);
  }
  assertRule(badNames, good, [file("lib/parkedAsks.ts")], /kebab-case/);
});

test("tooLong() allows 300 lines", () => {
  const lines = (count: number): SourceFile[] => [file("lib/a.ts", ...Array.from({ length: count }, () => "x;"))];
  assertRule(tooLong, lines(300), lines(301), /has 301 lines/);
});

test("testsThatDoNotTest() finds only, skip, sleeps and a missing run()", () => {
  const written = (...lines: string[]): SourceFile[] => [file("test/a.test.ts", ...lines, "test.run();")];
  const good = written("setTimeout(() => reject(new Error('late')), 100);", "// test.only(", "say('test.skip()');");
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

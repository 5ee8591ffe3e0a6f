import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { unreachedFiles, unusedExports } from "./tidy/dead.ts";
import { wrongWay } from "./tidy/rooms.ts";
import { badNames, tooLong } from "./tidy/shape.ts";
import { readSources } from "./tidy/source.ts";
import { impurePlanners, subjectsOutsideBus, testsThatDoNotTest } from "./tidy/spelling.ts";

const test = suite("tidy");
const root = new URL("..", import.meta.url).pathname;
const files = readSources(root);
const scripts = ["package.json", ".ci/run"].map((path) => readFileSync(join(root, path), "utf8")).join("\n");

function assertNone(problems: readonly string[]): void {
  assert.is(problems.join("\n"), "");
}

test("the rules see the sources", () => {
  for (const path of ["lib/errors.ts", "infra/start.mjs", "test/tidy.test.ts"]) {
    assert.ok(
      files.some((file) => file.path === path),
      path,
    );
  }
});

test("imports point one way", () => assertNone(wrongWay(files)));
test("no subject is spelled outside lib/bus", () => assertNone(subjectsOutsideBus(files)));
test("planners are pure", () => assertNone(impurePlanners(files)));
test("every file is reached", () => assertNone(unreachedFiles(files, scripts)));
test("every export is used", () => assertNone(unusedExports(files)));
test("files are named after their idea", () => assertNone(badNames(files)));
test("no file is longer than one idea", () => assertNone(tooLong(files)));
test("tests test, all of them, without sleeping", () => assertNone(testsThatDoNotTest(files)));

test.run();

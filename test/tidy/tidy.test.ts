import { suite } from "uvu";
import * as assert from "uvu/assert";
import { badNames, tooLong } from "./shape.ts";
import { readSources } from "./source.ts";
import { impurePlanners, subjectsOutsideProtocol, testsThatDoNotTest } from "./spelling.ts";

const test = suite("tidy");
const root = new URL("../..", import.meta.url).pathname;
const files = readSources(root);

function assertNone(problems: readonly string[]): void {
  assert.is(problems.join("\n"), "");
}

test("the rules see the sources", () => {
  for (const path of ["lib/core/errors.ts", "infra/tools/start.mjs", "test/tidy/tidy.test.ts"]) {
    assert.ok(
      files.some((file) => file.path === path),
      path,
    );
  }
});

test("no subject is spelled outside lib/protocol", () => assertNone(subjectsOutsideProtocol(files)));
test("planners are pure", () => assertNone(impurePlanners(files)));
test("files are named after their idea", () => assertNone(badNames(files)));
test("no file is longer than one idea", () => assertNone(tooLong(files)));
test("tests test, all of them, without sleeping", () => assertNone(testsThatDoNotTest(files)));

test.run();

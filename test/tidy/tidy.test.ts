import { suite } from "uvu";
import * as assert from "uvu/assert";
import { badLanguage } from "./language.ts";
import { badNames, crowdedFolders, tooLong } from "./shape.ts";
import { listFiles, readSources, readTexts } from "./source.ts";
import { impurePlanners, subjectsOutsideProtocol, testsThatDoNotTest } from "./spelling.ts";

const test = suite("tidy");
const root = new URL("../..", import.meta.url).pathname;
const files = readSources(root);
const texts = readTexts(root);

/** An Error of its own, because uvu shows two texts that differ with each space as a dot. */
function assertNone(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(`${problems.length} problems:\n${problems.join("\n")}`);
}

test("readSources() and readTexts() find programs, tests, scripts and documents", () => {
  const paths = new Set([...files, ...texts].map(({ path }) => path));
  const expected = ["lib/core/errors.ts", "infra/tools/start.mjs", "test/tidy/tidy.test.ts", ".ci/run", "README.md"];
  for (const path of [...expected, "docs/protocol.md", "lib/provider/sandbox/scripts/init.sh"]) {
    assert.ok(paths.has(path), path);
  }
});

test("no subject is spelled outside lib/protocol", () => assertNone(subjectsOutsideProtocol(files)));
test("planners are pure", () => assertNone(impurePlanners(files)));
test("files are named after their idea", () => assertNone(badNames(files)));
test("no file is longer than one idea", () => assertNone(tooLong(files)));
test("no folder has more than 20 files", () => assertNone(crowdedFolders(listFiles(root))));
test("tests run, all of them, and do not sleep", () => assertNone(testsThatDoNotTest(files)));
test("sentences name their actor, with the field's term", () => assertNone(badLanguage([...files, ...texts])));

test.run();

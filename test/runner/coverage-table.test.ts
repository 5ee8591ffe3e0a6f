import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tableOf } from "./coverage-table.ts";

const test = suite("test/runner/coverage-table");

function counts(covered: number, total: number) {
  return { lines: { covered, total }, branches: { covered: 0, total: 0 } };
}

test("tableOf() adds up the files of each folder of sources, and of all folders", () => {
  const table = tableOf(
    {
      total: counts(900, 1000),
      "/root/lib/b/x.ts": counts(10, 10),
      "/root/lib/a/x.ts": counts(1, 4),
      "/root/lib/a/y.ts": counts(2, 4),
      "/root/node_modules/lib/z.js": counts(0, 100),
      "/root/test/support/z.ts": counts(0, 100),
    },
    "/root",
  );
  assert.equal(
    table.split("\n").map((line) => line.trim().replace(/ {2,}/g, "|")),
    ["folder|lines|branches", "lib/a|37.5 %|-", "lib/b|100.0 %|-", "all|72.2 %|-"],
  );
});

test.run();

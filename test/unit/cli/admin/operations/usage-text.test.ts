import { suite } from "uvu";
import * as assert from "uvu/assert";
import { usageText } from "../../../../../lib/cli/admin/operations/usage-text.ts";

const test = suite("usage text");

const ada = { user: "ada", succeeded: 3, failed: 1, cancelled: 0, lost: 0, builderMs: 5_400_000, imageBytes: 2 ** 30 };

test("usageText() shows a line for each user and the sum, in 80 columns", () => {
  const grace = { ...ada, user: "g".repeat(64), builderMs: 0 };
  const lines = usageText({ v: 1, month: "2026-11", users: [ada, grace] }, 80).split("\n");
  assert.is(lines[0], "2026-11 (UTC)");
  assert.match(lines[2] ?? "", /^ada {2,}4 {7}3 {10}1 {7}0 {10}0 {5}1\.5 {4}1\.0 GiB$/);
  assert.match(lines[4] ?? "", /^all {2,}8 .* 2\.0 GiB$/);
  for (const line of lines) assert.ok(line.length <= 80, line);
});

test("usageText() has no sum of one user, and states that there is nothing", () => {
  assert.is(usageText({ v: 1, month: "2026-11", users: [ada] }).split("\n").length, 4);
  assert.is(usageText({ v: 1, month: "2026-11", users: [] }), "No build ended in 2026-11.\n");
});

test.run();

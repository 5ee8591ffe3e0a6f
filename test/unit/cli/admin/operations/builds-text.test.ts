import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adminBuildsText } from "../../../../../lib/cli/admin/operations/builds-text.ts";
import { columnsOf } from "../../../../../lib/cli/text/width.ts";
import type { AdminBuild } from "../../../../../lib/protocol/admin-builds-messages.ts";

const test = suite("admin builds text");

const BUILD = "60c95481-92f3-4491-94d3-14c45bfbc279";
const build = (over: Partial<AdminBuild>): AdminBuild => ({
  build: BUILD,
  user: "ada",
  pool: "p",
  name: "a.sif",
  state: "waiting",
  reason: "",
  attempt: 0,
  createdAtMs: 0,
  ...over,
});

test("adminBuildsText() shows user, state, times, builder and the reason, and how many are left out", () => {
  const builder = "77ab5481-92f3-4491-94d3-14c45bfbc279";
  const builds = [
    build({ position: 2, waiting: 7, reason: "all 2 builders busy" }),
    build({ user: "grace", state: "leased", leasedAtMs: 60_000, builder }),
    build({ state: "cancelled", reason: "cancelled by the operator eve", leasedAtMs: 0, endedAtMs: 30_000, builder }),
  ];
  assert.is(
    adminBuildsText({ v: 1, nowMs: 120_000, total: 5, builds }),
    `ID        USER   STATE      AGE    TIME   BUILDER   IMAGE
60c95481  ada    waiting    2m00s  -      -         a.sif
  2 of 7, all 2 builders busy
60c95481  grace  running    2m00s  1m00s  77ab5481  a.sif
60c95481  ada    cancelled  2m00s  30s    77ab5481  a.sif
  cancelled by the operator eve
2 older builds are not shown: -n NUMBER
`,
  );
});

test("adminBuildsText() keeps 80 columns with the longest names", () => {
  const long = build({ user: "u".repeat(64), name: "n".repeat(255), reason: "r".repeat(300), state: "succeeded" });
  const lines = adminBuildsText({ v: 1, nowMs: 400_000_000, total: 1, builds: [long] }, 80).split("\n");
  assert.is(lines.length, 4);
  for (const line of lines) assert.ok(columnsOf(line) <= 80, line);
});

test("adminBuildsText() states that no build matches", () => {
  assert.is(adminBuildsText({ v: 1, nowMs: 0, total: 0, builds: [] }), "No build matches.\n");
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { buildsText } from "../../../../lib/cli/text/builds-text.ts";
import { columnsOf } from "../../../../lib/cli/text/width.ts";
import type { BuildEntry } from "../../../../lib/protocol/builds-messages.ts";

const test = suite("builds text");

const MINUTE_MS = 60_000;
const entry = (build: string, over: Partial<BuildEntry>): BuildEntry => ({
  build,
  name: "a.sif",
  state: "waiting",
  reason: "",
  attempt: 0,
  createdAtMs: 0,
  ...over,
});

test("buildsText() computes age, duration and retention with the queue's clock", () => {
  const ended = { leasedAtMs: MINUTE_MS, endedAtMs: 3 * MINUTE_MS, imageBytes: 1536, imageUntilMs: 10 * MINUTE_MS };
  const text = buildsText({
    v: 1,
    nowMs: 4 * MINUTE_MS,
    builds: [
      entry("1", { position: 2, waiting: 7, reason: "all 2 builders busy" }),
      entry("22", { state: "leased", leasedAtMs: 3 * MINUTE_MS }),
      entry("3", { state: "succeeded", ...ended }),
    ],
  });
  assert.equal(text.split("\n"), [
    "ID  STATE      AGE    TIME   IMAGE  SIZE     KEPT FOR",
    "1   waiting    4m00s  -      a.sif  -        -",
    "  2 of 7, all 2 builders busy",
    "22  running    4m00s  1m00s  a.sif  -        -",
    "3   succeeded  4m00s  2m00s  a.sif  1.5 KiB  6m00s",
    "",
  ]);
});

test("buildsText() shows the reason of a failure below the build, cut to the terminal", () => {
  const failed = entry("1", { state: "failed", reason: "r".repeat(200) });
  const [, , reason = ""] = buildsText({ v: 1, nowMs: 0, builds: [failed] }, 80).split("\n");
  assert.is(reason, `  ${"r".repeat(77)}…`);
});

test("buildsText() states that there are no builds, and shows no negative time", () => {
  assert.is(buildsText({ v: 1, nowMs: 0, builds: [] }), "You have no builds.\n");
  const states = ["waiting", "running"];
  assert.is(buildsText({ v: 1, nowMs: 0, builds: [] }, 80, states), "No build is waiting or running.\n");
  assert.match(buildsText({ v: 1, nowMs: 0, builds: [entry("1", { createdAtMs: 5 })] }), /waiting {2}0s/);
});

test("buildsText() cuts long and wide names, so that a line fits the terminal, and keeps them elsewhere", () => {
  const id = "60c95481-0000-4000-8000-000000000000";
  for (const name of ["n".repeat(254), "世".repeat(84), "short.sif"]) {
    const reply = { v: 1 as const, nowMs: 0, builds: [entry(id, { name }), entry(id, { name: "b.sif" })] };
    for (const columns of [80, 100, 200]) {
      for (const line of buildsText(reply, columns).split("\n")) assert.ok(columnsOf(line) <= columns, line);
    }
    assert.match(buildsText(reply), name);
    const [, first = "", second = ""] = buildsText(reply, 80).split("\n");
    assert.match(first, /^60c95481 /);
    assert.match(buildsText(reply, 100), id);
    assert.is(columnsOf(first), columnsOf(second), "the columns after the name are aligned");
  }
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { buildsText } from "../../../../lib/cli/text/builds-text.ts";
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
      entry("1", {}),
      entry("22", { state: "leased", leasedAtMs: 3 * MINUTE_MS }),
      entry("3", { state: "succeeded", ...ended }),
    ],
  });
  assert.equal(text.split("\n"), [
    "ID  STATE      AGE    TIME   IMAGE  SIZE     KEPT FOR",
    "1   waiting    4m00s  -      a.sif  -        -",
    "22  leased     4m00s  1m00s  a.sif  -        -",
    "3   succeeded  4m00s  2m00s  a.sif  1.5 KiB  6m00s",
    "",
  ]);
});

test("buildsText() states that there are no builds, and shows no negative time", () => {
  assert.is(buildsText({ v: 1, nowMs: 0, builds: [] }), "You have no builds.\n");
  assert.match(buildsText({ v: 1, nowMs: 0, builds: [entry("1", { createdAtMs: 5 })] }), /waiting {2}0s/);
});

test.run();

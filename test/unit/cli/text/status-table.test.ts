import { suite } from "uvu";
import * as assert from "uvu/assert";
import { statusTable } from "../../../../lib/cli/text/status-table.ts";
import { columnsOf } from "../../../../lib/cli/text/width.ts";
import { screen } from "../../../../lib/cli/watch/live-view.ts";
import type { BuildsReply } from "../../../../lib/protocol/builds-messages.ts";
import type { BuilderStatus, StatusReply } from "../../../../lib/protocol/status-messages.ts";

const test = suite("statusTable");

const ID = "60c95481-92f3-4491-94d3-14c45bfbc279";
const builder = (state: BuilderStatus["state"]): BuilderStatus => ({
  id: ID,
  host: "h",
  state,
  sinceMs: 0,
  reason: "",
});
const pool = (name: string, reason = ""): StatusReply["pools"][number] => ({
  name,
  arch: "x86_64",
  reserve: { target: 2, ready: 1, max: 12 },
  reason,
  builders: [builder("ready"), builder("booting"), builder("requested"), builder("leased")],
  images: [],
});
const status = (...pools: StatusReply["pools"]): StatusReply => ({
  v: 1,
  pools,
  builds: { waiting: 3, running: 1 },
  quota: {},
  storage: { freeBytes: 2 ** 30, totalBytes: 2 ** 31 },
  faults: [],
  warnings: ["renew"],
});
const entry = { build: ID, name: "a.sif", reason: "", attempt: 0, createdAtMs: 0 };
const builds: BuildsReply = {
  v: 1,
  nowMs: 1_000,
  builds: [
    { ...entry, state: "waiting", position: 1, waiting: 3, reason: "busy" },
    { ...entry, state: "failed" },
  ],
};

test("statusTable() shows the pools, their reasons, and the user's waiting and running builds", () => {
  assert.is(
    statusTable({ status: status(pool("local", "quota")), builds }, 80),
    [
      "POOL   ARCH    READY  BOOTING  RUNNING  MAX",
      "local  x86_64  1/2    2        1        12",
      "  quota",
      "",
      "Builds of all users: 3 waiting, 1 running",
      "Storage of NATS: 1 of 2 GiB free",
      "Warning: renew",
      "",
      `${"ID".padEnd(36)}  STATE    AGE  TIME  IMAGE  SIZE  KEPT FOR`,
      `${ID}  waiting  1s   -     a.sif  -     -`,
      "  1 of 3, busy",
      "",
    ].join("\n"),
  );
});

test("statusTable() fits 80 columns with long names and reasons, and says that no build is active", () => {
  const text = statusTable(
    { status: status(pool("p".repeat(60), "r".repeat(300))), builds: { v: 1, nowMs: 0, builds: [] } },
    80,
  );
  for (const line of text.split("\n")) assert.ok(columnsOf(line) <= 80, line);
  assert.match(text, /\n\nYou have no waiting or running builds\.\n$/);
});

test("screen() fits the terminal: it counts the lines that it leaves out, and ends with the fault or the key", () => {
  const lines = ["1", "2", "3", "4", "5"];
  const view = { lines, fault: "", columns: 10, rows: 7 };
  assert.equal(screen(view), [...lines, "", "Ctrl-C end"]);
  assert.equal(screen({ ...view, rows: 6 }), ["1", "2", "3", "… 2 more l", "", "Ctrl-C end"]);
  assert.equal(screen({ ...view, rows: 1, fault: "away" }), ["not curren"]);
});

test.run();

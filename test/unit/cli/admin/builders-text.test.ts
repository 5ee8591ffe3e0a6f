import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ageText, buildersText } from "../../../../lib/cli/admin/builders-text.ts";
import type { AdminBuilder, BuildersReply } from "../../../../lib/protocol/admin-messages.ts";

const test = suite("builders text");

const NOW = 10_000_000_000;

function builder(id: string, changes: Partial<AdminBuilder> = {}): AdminBuilder {
  const ready = { state: "ready", machine: "running", reason: "its agent requests work", host: `h-${id}`, console: [] };
  return { id, ...ready, sinceMs: NOW - 5_000, ...changes };
}

const reply = (...pools: Partial<BuildersReply["pools"][number]>[]): BuildersReply => ({
  v: 1,
  nowMs: NOW,
  pools: pools.map((pool) => ({ name: "p", problem: "", builders: [], failures: [], ...pool })),
});

test("buildersText() shows state, age, host, reason, build, image and console of each machine", () => {
  const builderImage = { id: "0123", versions: [{ name: "buildah", version: "1.39.3" }] };
  const leased = builder("b", {
    state: "leased",
    reason: "leased to it",
    build: "x",
    builderImage,
    console: ["one", "two"],
  });
  assert.is(
    buildersText(reply({ builders: [builder("a"), leased] })),
    `pool p: 2 machines
a  ready  5s  h-a
    its agent requests work
b  leased  5s  h-b
    leased to it
    build: x
    image: 0123: buildah 1.39.3
    | one
    | two
`,
  );
});

test("buildersText() shows by whom, why and for how long a pool is drained and a builder is held", () => {
  const held = { operator: "ada", reason: "a look", untilMs: NOW + 3 * 3_600_000 };
  const drained = { operator: "eve", reason: "", atMs: NOW - 300_000 };
  assert.is(
    buildersText(reply({ drained, builders: [builder("a", { state: "held", held })] })),
    `pool p: 1 machine
  drained by eve 5m ago
a  held  5s  h-a
    its agent requests work
    held by ada for 3h more: a look
    to release it: cb-admin release a
`,
  );
});

test("buildersText() shows a differing machine state, a fault, and why there is no console", () => {
  const text = buildersText(
    reply({
      problem: "timeout",
      builders: [
        builder("a", { machine: "error", fault: "no host", consoleProblem: "took too long" }),
        builder("b", { state: "requested", machine: "none", host: "" }),
        builder("c", { state: "booting", machine: "booting" }),
      ],
    }),
  );
  assert.match(text, "  the provider's listing is incomplete: timeout\n");
  assert.match(
    text,
    "a  ready, machine error  5s  h-a\n    its agent requests work\n    fault: no host\n    console: took too long\n",
  );
  assert.match(text, "b  requested, machine not listed  5s\n");
  assert.match(text, "c  booting  5s  h-c\n");
});

test("buildersText() shows how to destroy a machine of another generation, and recent failures", () => {
  const failures = [{ id: "f", atMs: NOW - 200_000, reason: "it was killed", console: ["last line"] }];
  assert.is(
    buildersText(
      reply({ builders: [builder("a", { state: "other generation", reason: "of other records" })], failures }),
    ),
    `pool p: 1 machine
a  other generation  5s  h-a
    of other records
    to destroy it: cb-admin builders destroy a
recent failures in pool p:
f  failed  3m ago
    it was killed
    | last line
`,
  );
});

test("buildersText() fits 80 columns: lines go on at a word, those of the console with their mark", () => {
  const id = "60c95481-92f3-4491-94d3-14c45bfbc279";
  const fault = "nova gives no reason, and the flavor m1.small needs more memory than any host of the zone has left";
  const other = builder(id, {
    state: "other generation",
    host: "h",
    fault,
    console: [`begin ${"x".repeat(100)} end`, "y ".repeat(50)],
  });
  const lines = buildersText(reply({ builders: [other] }), 80).split("\n");
  for (const line of lines) assert.ok(line.length <= 80, line);
  assert.equal(lines.slice(3), [
    "    fault: nova gives no reason, and the flavor m1.small needs more memory",
    "      than any host of the zone has left",
    "    | begin",
    `    | ${"x".repeat(73)}…`,
    "    | end",
    `    | ${"y ".repeat(37).trim()}`,
    `    | ${"y ".repeat(13).trim()}`,
    "    to destroy it: cb-admin builders destroy 60c95481",
    "",
  ]);
  assert.match(buildersText(reply({ builders: [other] })), ` end\n`, "all without a terminal");
});

test("ageText() changes to a unit at two of it", () => {
  const ages = [-5, 0, 119_999, 120_000, 7_199_999, 7_200_000, 172_799_999, 172_800_000];
  assert.equal(
    ages.map((ms) => ageText(NOW - ms, NOW)),
    ["0s", "0s", "119s", "2m", "119m", "2h", "47h", "2d"],
  );
});

test.run();

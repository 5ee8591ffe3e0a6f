import { suite } from "uvu";
import * as assert from "uvu/assert";
import { streamsText } from "../../../../lib/cli/admin/streams-text.ts";

const test = suite("streams text");

const build = "6b1f3a52-0d64-4c5e-9d57-2a1c3e4f5a6b";

test("streamsText() shows each build with age, size and problem, how many are left out, and the remedy", () => {
  const builds = [
    { build, bytes: 1536, createdAtMs: 1_000, problem: "" },
    { build, bytes: 0, createdAtMs: 0, problem: "the stream s does not answer: TIMEOUT" },
  ];
  assert.is(
    streamsText({ v: 1, nowMs: 61_000, total: 3, builds }),
    `3 builds with streams and without a record, 1.5 KiB:
${build}  60s  1.5 KiB
${build}  age unknown  0 B
    the stream s does not answer: TIMEOUT
and 1 more
Were the records lost? Restore them from a backup while no queue runs,
or delete the streams:
  cb-admin streams delete ID... or --all
`,
  );
});

test("streamsText() says when no stream lacks a record", () => {
  assert.is(streamsText({ v: 1, nowMs: 0, total: 0, builds: [] }), "every build that has streams has a record\n");
});

test.run();

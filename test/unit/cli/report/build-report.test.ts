import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { buildFailed } from "../../../../lib/cli/report/build-failed.ts";
import { BuildReport } from "../../../../lib/cli/report/build-report.ts";
import { metadataOf, writeMetadata } from "../../../../lib/cli/report/metadata.ts";
import type { ProgressEvent } from "../../../../lib/cli/report/progress-event.ts";
import { summaryLines } from "../../../../lib/cli/report/summary-text.ts";
import { CbError } from "../../../../lib/core/errors.ts";

const test = suite("BuildReport");

const BUILD = "60c95481-92f3-4491-94d3-14c45bfbc279";
const queued = { v: 1, state: "queued", position: 2, waiting: 7, reason: "busy" } as const;
const leased = (attempt: number) =>
  ({ v: 1, state: "leased", attempt, builder: BUILD, host: `cb-${attempt}` }) as const;
const uploading = { v: 1, state: "uploading", nuid: "A".repeat(22), bytes: 9, chunkBytes: 65_536 } as const;
const failed = {
  v: 1,
  state: "failed",
  exitCode: 255,
  reason: "apptainer build ended with exit code 255: out of memory",
} as const;
const image = { path: "/a.sif", bytes: 1_572_864, sha256: "ab" };

function ofSuccess(): BuildReport {
  const report = new BuildReport();
  report.reserved(BUILD);
  report.changed(queued, 1_000);
  report.changed(leased(1), 3_000);
  report.changed(uploading, 45_000);
  report.changed({ v: 1, state: "succeeded", bytes: 9, digest: "" }, 46_000);
  report.placed(image);
  return report;
}

test("BuildReport takes waited and built from the times of the states", () => {
  const { waitedMs, builtMs, transferredMs } = ofSuccess().times;
  assert.equal([waitedMs, builtMs], [2_000, 42_000]);
  assert.ok(transferredMs !== undefined && transferredMs >= 0);
});

test("BuildReport counts from the last lease after a lost builder, forgets its output, and clamps a clock that steps back", () => {
  const report = new BuildReport();
  report.changed(leased(1), 1_000);
  report.output(Buffer.from("first"));
  report.changed(uploading, 2_000);
  report.changed(queued, 3_000);
  report.changed(leased(2), 9_000);
  report.changed(leased(2), 10_000);
  assert.equal([report.tail, report.builder?.attempt], ["", 2]);
  report.changed(failed, 8_000);
  assert.equal(report.times, { waitedMs: 8_000, builtMs: 0 });
});

test("BuildReport keeps the last 16 KiB of the output, and emits each event", () => {
  const events: ProgressEvent[] = [];
  const report = new BuildReport((event) => events.push(event));
  report.output(Buffer.alloc(20_000, "x"));
  report.output(Buffer.from([0xff, 0x0a]));
  assert.is(report.tail.length, 16 * 1024);
  assert.equal(events.at(-1), { v: 1, event: "output", data: "/wo=" });
  report.changed(queued, 5);
  assert.equal(events.at(-1), { ...queued, event: "state", atMs: 5 });
  report.transfer(1, 2);
  report.transfer(2, 2);
  assert.is(events.filter(({ event }) => event === "transfer").length, 1);
});

test("summaryLines() shows path, size, digest, times and id, and nothing without an image", () => {
  const times = { waitedMs: 2_000, builtMs: 42_000, transferredMs: 3_000 };
  assert.equal(summaryLines({ image, times, build: BUILD }), [
    "Image:    /a.sif",
    "Size:     1.5 MiB (1572864 bytes)",
    "SHA-256:  ab",
    "Times:    waited 2s, built 42s, transferred 3s",
    `Build ID: ${BUILD}`,
  ]);
  assert.equal(summaryLines({ times, build: BUILD }), []);
});

test("metadataOf() has outcome, image and times of a success", () => {
  const { outcome, exitCode, build, image: stored, error } = metadataOf(ofSuccess());
  assert.equal([outcome, exitCode, build, stored, error], ["succeeded", 0, BUILD, image, undefined]);
});

test("metadataOf() has the kind, the exit code and the cause of a failure; the remedy of the agent stays", () => {
  const report = new BuildReport();
  report.reserved(BUILD);
  report.changed(leased(1), 0);
  report.output(Buffer.from("oh no\nFATAL:   While performing build: while running %post section: exit status 7\n"));
  report.changed(failed, 1);
  const metadata = metadataOf(report, buildFailed(failed.reason, report, undefined));
  assert.equal([metadata.outcome, metadata.exitCode], ["failed", 1]);
  assert.equal(metadata.error, {
    kind: "recipe",
    message: "the build failed: %post ended with exit status 7: out of memory\n    oh no",
    hint: `the whole output: cb-logs ${BUILD}`,
    cause: { place: "%post", exitStatus: 7, lines: ["oh no"] },
  });
});

test("metadataOf() tells a refused, a cancelled, a detached build, and one with an unknown end", () => {
  const outcome = (thrown: unknown, reserved: boolean, detached = false) => {
    const report = new BuildReport();
    if (reserved) report.reserved(BUILD);
    if (detached) report.detach();
    return metadataOf(report, thrown).outcome;
  };
  const cancelled = new CbError("cancelled", "cancelled");
  assert.is(outcome(new CbError("usage", "no"), false), "refused");
  assert.is(outcome(cancelled, true), "cancelled");
  assert.is(outcome(cancelled, true, true), "detached");
  assert.is(outcome(undefined, true, true), "detached");
  assert.is(outcome(new CbError("denied", "no"), true), "unknown");
});

test("writeMetadata() replaces the file whole, and leaves no other file after a failure", async () => {
  const folder = mkdtempSync(join(tmpdir(), "cb-metadata-"));
  try {
    const path = join(folder, "m.json");
    writeFileSync(path, "old and longer than the new one".repeat(100));
    await writeMetadata(path, metadataOf(ofSuccess()));
    assert.is(JSON.parse(readFileSync(path, "utf8")).build, BUILD);
    const thrown = await writeMetadata(folder, metadataOf(ofSuccess())).catch((error: unknown) => error);
    assert.instance(thrown, CbError);
    assert.equal(readdirSync(folder), ["m.json"]);
    assert.equal(
      readdirSync(join(folder, "..")).filter((name) => name.startsWith(".cb-metadata-")),
      [],
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { duration, progressLine, size } from "../../../../lib/cli/text/progress.ts";

const test = suite("progress");

test("size() changes the unit at 1024", () => {
  assert.is(size(0), "0 B");
  assert.is(size(1023), "1023 B");
  assert.is(size(1024), "1.0 KiB");
  assert.is(size(1536 * 1024), "1.5 MiB");
});

test("duration() changes the unit at a minute and at an hour", () => {
  assert.is(duration(59_400), "59s");
  assert.is(duration(60_000), "1m00s");
  assert.is(duration(3_599_000), "59m59s");
  assert.is(duration(3_600_000), "1h00m");
});

test("progressLine() shows bar, percentage, sizes, rate and time left within the columns", () => {
  const line = progressLine({ doneBytes: 512 * 1024, totalBytes: 1024 * 1024, elapsedMs: 1000 }, 80);
  assert.match(line, /^\[=+ +\] {2}50% 512\.0 KiB\/1\.0 MiB 512\.0 KiB\/s, 1s left$/);
  assert.ok(line.length <= 80);
});

test("progressLine() drops the bar if the line is too narrow", () => {
  assert.not.match(progressLine({ doneBytes: 1, totalBytes: 2, elapsedMs: 0 }, 16), /\[/);
});

test("progressLine() drops rate and time left if the line is too narrow", () => {
  const transfer = { doneBytes: 512 * 1024, totalBytes: 1024 * 1024, elapsedMs: 1000 };
  assert.is(progressLine(transfer, 44), " 50% 512.0 KiB/1.0 MiB 512.0 KiB/s, 1s left");
  assert.match(progressLine(transfer, 42), /50% 512.0 KiB\/1.0 MiB$/);
});

test("progressLine() of an empty transfer shows 100 %", () => {
  assert.match(progressLine({ doneBytes: 0, totalBytes: 0, elapsedMs: 0 }, 80), "100%");
});

test.run();

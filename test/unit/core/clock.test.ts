import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../lib/core/clock.ts";

const test = suite("systemClock");

test("sleep() resolves when its signal is aborted, before or during the sleep", async () => {
  const stop = new AbortController();
  const sleeping = systemClock.sleep(60_000, stop.signal);
  stop.abort();
  await sleeping;
  await systemClock.sleep(60_000, stop.signal);
});

test("sleep() takes at least its milliseconds", async () => {
  const startedMs = performance.now();
  await systemClock.sleep(30);
  // A timer may fire up to 1 ms early (Node rounds to whole milliseconds).
  assert.ok(performance.now() - startedMs >= 29);
});

test.run();

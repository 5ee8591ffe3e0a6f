import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eachAtMost, withTimeLimit } from "../../../../lib/pool/reconciler/limit.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const test = suite("limit");

const never = new Promise<never>(() => {});
const neverAborted = new AbortController().signal;

test("withTimeLimit() settles as the call does", async () => {
  const limit = { clock: new ManualClock(), limitMs: 10, signal: neverAborted, operation: "it" };
  assert.is(await withTimeLimit(limit, async () => 7), 7);
  const error = await withTimeLimit(limit, () => Promise.reject(new Error("its own error"))).catch(
    (caught: unknown) => caught,
  );
  assert.match(String(error), "its own error");
});

test("withTimeLimit() aborts a call at exactly limitMs", async () => {
  const clock = new ManualClock();
  let outcome = "pending";
  let isAborted = false;
  const call = withTimeLimit({ clock, limitMs: 1000, signal: neverAborted, operation: "the call" }, (signal) => {
    signal.addEventListener("abort", () => {
      isAborted = true;
    });
    return never;
  }).catch((error: unknown) => {
    outcome = String(error);
  });
  await clock.advance(999);
  assert.equal([outcome, isAborted], ["pending", false]);
  await clock.advance(1);
  await call;
  assert.match(outcome, "the call took longer than 1 s");
  assert.ok(isAborted);
});

test("withTimeLimit() throws when the signal is aborted, also before the call", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const limit = { clock, limitMs: 1000, signal: stop.signal, operation: "it" };
  const running = withTimeLimit(limit, () => never).catch((error: unknown) => String(error));
  stop.abort();
  assert.match(await running, "interrupted");
  assert.match(await withTimeLimit(limit, () => never).catch((error: unknown) => String(error)), "interrupted");
});

test("eachAtMost() handles every item, at most that many at once", async () => {
  const clock = new ManualClock();
  const done: number[] = [];
  let running = 0;
  let runningMax = 0;
  const all = eachAtMost([1, 2, 3, 4, 5], 2, async (item) => {
    runningMax = Math.max(runningMax, ++running);
    await clock.sleep(10);
    running--;
    done.push(item);
  });
  await clock.advance(100);
  await all;
  assert.equal([done, runningMax], [[1, 2, 3, 4, 5], 2]);
});

test.run();

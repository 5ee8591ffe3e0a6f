import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eachAtMost, limited } from "../../../../lib/pool/reconciler/limit.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const test = suite("limit");

const never = new Promise<never>(() => {});
const endless = new AbortController().signal;

test("limited() gives the call's result, and its error", async () => {
  const limit = { clock: new ManualClock(), limitMs: 10, signal: endless, what: "it" };
  assert.is(await limited(limit, async () => 7), 7);
  const error = await limited(limit, () => Promise.reject(new Error("own"))).catch((caught: unknown) => caught);
  assert.match(String(error), "own");
});

test("limited() ends a call that takes limitMs, and not one a millisecond sooner", async () => {
  const clock = new ManualClock();
  let outcome = "under way";
  let cut = false;
  const call = limited({ clock, limitMs: 1000, signal: endless, what: "the call" }, (signal) => {
    signal.addEventListener("abort", () => {
      cut = true;
    });
    return never;
  }).catch((error: unknown) => {
    outcome = String(error);
  });
  await clock.advance(999);
  assert.equal([outcome, cut], ["under way", false]);
  await clock.advance(1);
  await call;
  assert.match(outcome, "the call took longer than 1 s");
  assert.ok(cut);
});

test("limited() ends when the signal comes, also before the call", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const limit = { clock, limitMs: 1000, signal: stop.signal, what: "it" };
  const running = limited(limit, () => never).catch((error: unknown) => String(error));
  stop.abort();
  assert.match(await running, "interrupted");
  assert.match(await limited(limit, () => never).catch((error: unknown) => String(error)), "interrupted");
});

test("eachAtMost() does everything, never more than that at once", async () => {
  const clock = new ManualClock();
  const done: number[] = [];
  let now = 0;
  let most = 0;
  const all = eachAtMost([1, 2, 3, 4, 5], 2, async (item) => {
    most = Math.max(most, ++now);
    await clock.sleep(10);
    now--;
    done.push(item);
  });
  await clock.advance(100);
  await all;
  assert.equal([done, most], [[1, 2, 3, 4, 5], 2]);
});

test.run();

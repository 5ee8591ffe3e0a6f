import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ManualClock } from "../../support/manual-clock.ts";

const test = suite("ManualClock");

test("advance() wakes sleepers in order, each at its own time, up to its end", async () => {
  const clock = new ManualClock(100);
  const woken: (readonly [string, number])[] = [];
  const addSleeper = (name: string, ms: number) => clock.sleep(ms).then(() => woken.push([name, clock.nowMs()]));
  void addSleeper("late", 50);
  void addSleeper("early", 20).then(() => addSleeper("chained", 20));
  await clock.advance(49);
  assert.equal(woken, [
    ["early", 120],
    ["chained", 140],
  ]);
  await clock.advance(1);
  assert.equal(woken.at(-1), ["late", 150]);
});

test("jump() advances the time and wakes no sleeper", async () => {
  const clock = new ManualClock();
  let woken = false;
  void clock.sleep(10).then(() => {
    woken = true;
  });
  clock.jump(1000);
  assert.equal([clock.nowMs(), woken], [1000, false]);
  await clock.advance(0);
  assert.ok(woken);
});

test("sleep() resolves when its signal is aborted, before or during the sleep", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const sleeping = clock.sleep(60_000, stop.signal);
  stop.abort();
  await sleeping;
  await clock.sleep(60_000, stop.signal);
});

test("set() steps the time and leaves the remaining time of a sleeper unchanged", async () => {
  for (const ms of [300_000, -300_000]) {
    const clock = new ManualClock(1_000_000);
    let awake = false;
    const sleeping = clock.sleep(1_000).then(() => {
      awake = true;
    });
    clock.set(ms);
    assert.is(clock.nowMs(), 1_000_000 + ms);
    await clock.advance(999);
    assert.not(awake);
    await clock.advance(1);
    await sleeping;
  }
});

test.run();

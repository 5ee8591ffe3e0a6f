import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkCalm, untilCalm } from "./calm.ts";
import { type Death, World } from "./queue.ts";

/**
 * The queue is killed at every single call of a builder's whole life, before the call is sent and before its answer
 * comes, and started again. No trouble but that.
 */
const test = suite("pool killed at each call");

/** From the empty pool to the second builder ready: create, ready, lease, release, gone, and another. */
const SPAN_S = 150;

for (const lastCall of ["unsent", "unanswered"] as const) {
  test(`the pool takes up where it was, its call ${lastCall}`, async () => {
    let atCall = 1;
    while (await dies({ atCall, lastCall })) atCall++;
    assert.ok(atCall > 30, `the life of a builder takes only ${atCall} calls`);
  });
}

/** False when the span was over before it came to that. */
async function dies(death: Death): Promise<boolean> {
  const world = new World(7, { reserveTarget: 1, totalMax: 2 });
  void world.startQueue(death);
  let died = false;
  for (let second = 0; second < SPAN_S; second++) {
    if (second === 40) world.waiting.push(world.random.uuid(), world.random.uuid());
    world.tick(second);
    await world.clock.advance(1_000);
    if (!world.alive) {
      died = true;
      world.kill();
      void world.startQueue();
    }
  }
  await untilCalm(world);
  assert.equal(world.violations, [], JSON.stringify(death));
  checkCalm(world, `${JSON.stringify(death)} of seed 7`);
  return died;
}

test.run();

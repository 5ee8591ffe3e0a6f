import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkCalm, untilCalm } from "./calm.ts";
import { type Death, SimWorld } from "./queue.ts";

/**
 * The queue is killed at each of its calls from the create of a builder to its end, once before the call is sent and
 * once before the reply arrives, and is started again. There are no other faults.
 */
const test = suite("pool killed at each call");

/** From the empty pool to the second builder ready: create, ready, lease, release, gone, and another. */
const SPAN_S = 150;

for (const lastCall of ["unsent", "unanswered"] as const) {
  test(`the pool continues after a kill at each call, the call ${lastCall}`, async () => {
    let atCall = 1;
    while (await dies({ atCall, lastCall })) atCall++;
    assert.ok(atCall > 30, `the queue made only ${atCall} calls for a builder`);
  });
}

/** False if the span ended before the queue made that many calls. */
async function dies(death: Death): Promise<boolean> {
  const world = new SimWorld(7, { reserveTarget: 1, totalMax: 2 });
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

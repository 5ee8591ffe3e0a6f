/** A cloud that lets the pool have less than it wants. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RefusedError } from "../../lib/provider/provider.ts";
import { isCalm, untilCalm } from "./calm.ts";
import { World } from "./queue.ts";

const sim = suite("pool at a quota");

async function pass(world: World, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    world.tick(second);
    await world.clock.advance(1_000);
  }
}

sim(
  "keeps what the quota allows, says so, tries seldom, gives up no builder, and takes up what is raised",
  async () => {
    const world = new World(1, { totalMax: 8, reserveTarget: 5 });
    world.cloud.quota = 3;
    void world.startQueue();
    await pass(world, 120);
    assert.is(world.cloud.machines.size, 3);
    assert.is(world.pool?.status().reason, "reserve 3 of 5: simulated quota");
    const { refused } = world.cloud;
    await pass(world, 600);
    assert.ok(world.cloud.refused - refused <= 10, `${world.cloud.refused - refused} tries in ten minutes`);
    assert.equal([world.pool?.failures(), world.slotKeys.entries.size], [[], 3]);
    world.cloud.quota = 20;
    await pass(world, 180);
    assert.ok(isCalm(world), world.pool?.status().reason);
    world.kill();
  },
);

sim("builds go on at a quota, one builder after another, and nothing is over it", async () => {
  const world = new World(2, { totalMax: 8, reserveTarget: 5 });
  world.cloud.quota = 3;
  void world.startQueue();
  await pass(world, 300);
  for (let build = 0; build < 10; build++) world.waiting.push(world.random.uuid());
  let most = 0;
  for (let second = 0; second < 3_000 && world.counts.leased < 10; second++) {
    world.tick(second);
    await world.clock.advance(1_000);
    most = Math.max(most, world.cloud.machines.size);
  }
  assert.equal([world.counts.leased, most], [10, 3]);
  world.cloud.quota = 20;
  await untilCalm(world);
  assert.ok(isCalm(world), world.pool?.status().reason);
  assert.equal(world.violations, []);
  world.kill();
});

sim("leaves a cloud alone that limits its listings, as long as it asks", async () => {
  const world = new World(3, { totalMax: 2, reserveTarget: 1 });
  let looks = 0;
  const observe = world.cloud.listMachines.bind(world.cloud);
  world.cloud.listMachines = async () => {
    if (looks++ > 0) return observe();
    throw new RefusedError("infrastructure", "simulated rate", { limit: "rate", retryAfterMs: 60_000 });
  };
  void world.startQueue();
  await pass(world, 59);
  assert.is(looks, 1);
  await pass(world, 60);
  assert.ok(isCalm(world), world.pool?.status().reason);
  world.kill();
});

sim.run();

/** A cloud with a quota below the target of the pool. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RefusedError } from "../../lib/provider/provider.ts";
import { isCalm, untilCalm } from "./calm.ts";
import { SimWorld } from "./queue.ts";

const sim = suite("pool at a quota");

async function advance(world: SimWorld, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    world.tick(second);
    await world.clock.advance(1_000);
  }
}

sim(
  "uses the whole quota, gives it as reason, rarely retries, gives up no builder, and uses a raised quota",
  async () => {
    const world = new SimWorld(1, { totalMax: 8, reserveTarget: 5 });
    world.cloud.quota = 3;
    void world.startQueue();
    await advance(world, 120);
    assert.is(world.cloud.machines.size, 3);
    assert.is(world.pool?.status().reason, "reserve 3 of 5: simulated quota");
    const { refused } = world.cloud;
    await advance(world, 600);
    assert.ok(world.cloud.refused - refused <= 10, `${world.cloud.refused - refused} creates in ten minutes`);
    assert.equal([world.pool?.failures(), world.slotKeys.entries.size], [[], 3]);
    world.cloud.quota = 20;
    await advance(world, 180);
    assert.ok(isCalm(world), world.pool?.status().reason);
    world.kill();
  },
);

sim("builds run at a quota, one builder after another, and never more machines than the quota", async () => {
  const world = new SimWorld(2, { totalMax: 8, reserveTarget: 5 });
  world.cloud.quota = 3;
  void world.startQueue();
  await advance(world, 300);
  for (let build = 0; build < 10; build++) world.waiting.push(world.random.uuid());
  let machinesMax = 0;
  for (let second = 0; second < 3_000 && world.counts.leased < 10; second++) {
    world.tick(second);
    await world.clock.advance(1_000);
    machinesMax = Math.max(machinesMax, world.cloud.machines.size);
  }
  assert.equal([world.counts.leased, machinesMax], [10, 3]);
  world.cloud.quota = 20;
  await untilCalm(world);
  assert.ok(isCalm(world), world.pool?.status().reason);
  assert.equal(world.violations, []);
  world.kill();
});

sim("sends no listing for as long as the cloud asks with a rate limit", async () => {
  const world = new SimWorld(3, { totalMax: 2, reserveTarget: 1 });
  let listings = 0;
  const listMachines = world.cloud.listMachines.bind(world.cloud);
  world.cloud.listMachines = async () => {
    if (listings++ > 0) return listMachines();
    throw new RefusedError("infrastructure", "simulated rate", { limit: "rate", retryAfterMs: 60_000 });
  };
  void world.startQueue();
  await advance(world, 59);
  assert.is(listings, 1);
  await advance(world, 60);
  assert.ok(isCalm(world), world.pool?.status().reason);
  world.kill();
});

sim.run();

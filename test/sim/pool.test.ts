import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkCalm, untilCalm } from "./calm.ts";
import { World } from "./queue.ts";

/** SIM_SEED=n runs that one alone; a seed that failed goes into KNOWN. */
const KNOWN: readonly number[] = [];
const only = process.env.SIM_SEED;
const first = Math.floor(Math.random() * 2 ** 31);
const seeds = only ? [Number(only)] : [...KNOWN, ...Array.from({ length: 12 }, (_, n) => first + n)];

const TROUBLE_S = 900;
/** A quota that nobody meets. */
const MANY = 1000;

const sim = suite("pool simulation");

for (const seed of seeds) {
  sim(`the pool keeps its invariants and comes back to its target, SIM_SEED=${seed}`, async () => {
    const world = new World(seed);
    await run(world);
    assert.equal(world.violations, [], `SIM_SEED=${seed}`);
    checkCalm(world, seed);
    if (process.env.SIM_VERBOSE) console.log(seed, world.counts, world.policy.reserveTarget, world.policy.totalMax);
  });
}

async function run(world: World): Promise<void> {
  const { random, clock, cloud } = world;
  void world.startQueue();
  world.setTrouble(random.next() * 0.3);
  for (let second = 0; second < TROUBLE_S; second++) {
    if (random.chance(0.05)) world.waiting.push(random.uuid());
    if (random.chance(0.01)) harmOne(world);
    if (random.chance(0.01)) cloud.quota = anyQuota(world);
    if (random.chance(0.004)) plant(world, random.chance(0.5));
    if (random.chance(0.01)) {
      world.kill();
      if (random.chance(0.2)) await clock.advance(random.between(1_000, 120_000));
      void world.startQueue();
    }
    world.tick(second);
    await clock.advance(1_000);
  }
  world.setTrouble(0);
  cloud.quota = MANY;
  for (const machine of [...cloud.machines.values()])
    if (machine.generation === "other") cloud.machines.delete(machine.builder);
  await untilCalm(world);
}

function anyQuota({ random, policy }: World): number {
  return random.chance(0.5) ? random.between(0, policy.totalMax) : MANY;
}

function harmOne({ cloud, random }: World): void {
  const ids = [...cloud.machines.values()]
    .filter(({ host }) => !host.startsWith("planted"))
    .map(({ builder }) => builder);
  const id = ids[random.between(0, ids.length - 1)];
  if (id) cloud.harm(id);
}

/** A machine that no record knows, of our generation or another. */
function plant({ cloud, random, clock, builderKeys }: World, ours: boolean): void {
  const generation = ours ? (builderKeys.entries.get("generation")?.value ?? "other") : "other";
  const [builder, attempt] = [random.uuid(), random.uuid()];
  const identity = { installation: "sim", generation, pool: "p", builder, attempt };
  cloud.plant({ ...identity, status: "running", host: `planted-${generation}`, createdAtMs: clock.nowMs() });
}

sim.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkCalm, untilCalm } from "./calm.ts";
import { SimWorld } from "./queue.ts";

/** SIM_SEED=n runs only that seed. Add a seed that failed to KNOWN. */
const KNOWN: readonly number[] = [];
const only = process.env.SIM_SEED;
const first = Math.floor(Math.random() * 2 ** 31);
const seeds = only ? [Number(only)] : [...KNOWN, ...Array.from({ length: 12 }, (_, n) => first + n)];

const FAULTS_S = 900;
/** A quota that the pool never reaches. */
const NO_QUOTA = 1000;

const sim = suite("pool simulation");

for (const seed of seeds) {
  sim(`the pool keeps its invariants and returns to its target, SIM_SEED=${seed}`, async () => {
    const world = new SimWorld(seed);
    await run(world);
    assert.equal(world.violations, [], `SIM_SEED=${seed}`);
    checkCalm(world, seed);
    if (process.env.SIM_VERBOSE) console.log(seed, world.counts, world.policy.reserveTarget, world.policy.totalMax);
  });
}

async function run(world: SimWorld): Promise<void> {
  const { random, clock, cloud } = world;
  void world.startQueue();
  world.setFaultRate(random.next() * 0.3);
  for (let second = 0; second < FAULTS_S; second++) {
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
  world.setFaultRate(0);
  cloud.quota = NO_QUOTA;
  for (const machine of [...cloud.machines.values()])
    if (machine.generation === "other") cloud.machines.delete(machine.builder);
  await untilCalm(world);
}

function anyQuota({ random, policy }: SimWorld): number {
  return random.chance(0.5) ? random.between(0, policy.totalMax) : NO_QUOTA;
}

function harmOne({ cloud, random }: SimWorld): void {
  const ids = [...cloud.machines.values()]
    .filter(({ host }) => !host.startsWith("planted"))
    .map(({ builder }) => builder);
  const id = ids[random.between(0, ids.length - 1)];
  if (id) cloud.harm(id);
}

/** Adds a machine without a record, of this generation or another. */
function plant({ cloud, random, clock, builderKeys }: SimWorld, isThisGeneration: boolean): void {
  const generation = isThisGeneration ? (builderKeys.entries.get("generation")?.value ?? "other") : "other";
  const [builder, attempt] = [random.uuid(), random.uuid()];
  const identity = { installation: "sim", generation, pool: "p", builder, attempt };
  cloud.plant({ ...identity, status: "running", host: `planted-${generation}`, createdAtMs: clock.nowMs() });
}

sim.run();

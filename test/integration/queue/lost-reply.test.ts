/** Reservations that lose the reply to the write of their record: no build is without its recipe. */
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { QueueLab } from "../../support/queue/queue-lab.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ lab: QueueLab; core: NatsConnection }>("lost reply");

test.before(async (world) => {
  world.lab = await QueueLab.start();
  world.core = await world.lab.nats.core();
});
test.after(({ lab }) => lab?.stop());

const CREATED = '"state":"waiting"';

async function keysOf(core: NatsConnection, bucket: string): Promise<string[]> {
  const { streams } = await core.jetstreamManager();
  const { state } = await streams.info(`KV_${bucket}`, { subjects_filter: ">" });
  return Object.keys(state.subjects ?? {});
}

test("a reservation succeeds when its record is stored although the reply is lost, and its build is leased with its recipe", async ({
  lab,
  core,
}) => {
  lab.loseReplyTo = CREATED;
  const build = await lab.reserve();
  assert.is(lab.loseReplyTo, undefined);
  const agent = await lab.leased(build, 1);
  assert.is(agent.lease?.recipe.text, "Bootstrap: scratch\n");
  assert.equal(await keysOf(core, "cb-recipes"), [`$KV.cb-recipes.recipe.${build}`]);
  await lab.cancel(build);
});

test("a reservation is refused when its record cannot be read either, and the record is removed once it can be read", async ({
  lab,
  core,
}) => {
  const before = await keysOf(core, "cb-builds");
  lab.loseReplyTo = CREATED;
  lab.loseReads = 1;
  await rejection(lab.reserve());
  await lab.until("the record is removed", async () => {
    const keys = await keysOf(core, "cb-builds");
    return keys.length === before.length;
  });
  assert.equal(await keysOf(core, "cb-recipes"), []);
  assert.equal(lab.queue.builds.waiting(), []);
});

test("a waiting build without a recipe ends as lost at the next start of the queue", async () => {
  // A lab of its own, in which no builder has ever booted: the build would be leased otherwise.
  const lab = await QueueLab.start();
  lab.cloud.boots = false;
  try {
    const build = await lab.reserve();
    assert.is(lab.record(build)?.state, "waiting");
    await lab.queue.kill();
    const core = await lab.nats.core();
    await (await core.jetstreamManager()).streams.purge("KV_cb-recipes");
    await lab.startQueue();
    await lab.until("the build has ended", () => lab.record(build)?.state === "ended");
    const final = lab.record(build)?.final;
    assert.equal(final, { v: 1, state: "lost", reason: "the queue has lost its recipe; start the build again" });
  } finally {
    await lab.stop();
  }
});

test.run();

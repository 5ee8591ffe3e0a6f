/** The queue is killed while it handles the loss of a builder; the next queue continues. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { leasesOf, running, withUndeletedBuilder } from "../../support/queue/lost-builder.ts";
import { QueueLab } from "../../support/queue/queue-lab.ts";

const test = suite<{ lab: QueueLab }>("lost builders of a killed queue");

test.before(async (context) => {
  context.lab = await QueueLab.start();
});
test.after.each(async ({ lab }) => {
  await lab.tidy();
});
test.after(async ({ lab }) => {
  await lab?.stop();
});

test("a builder without its record may run on: its build waits until no listing shows the machine", async ({ lab }) => {
  const { build, first } = await running(lab);
  first.frozen = true;
  await lab.queue.kill();
  const before = [...lab.cloud.machines.keys()];
  const { streams } = await (await lab.nats.core()).jetstreamManager();
  for (const name of ["KV_cb-builders", "KV_cb-slots"]) await streams.delete(name);
  await lab.startQueue();
  await lab.until("the loss", () => lab.record(build)?.loss);
  await lab.pass(60_000);
  assert.is(lab.record(build)?.state, "waiting");
  assert.ok(lab.cloud.machines.has(first.builder), "a machine of another generation must not be destroyed");
  for (const builder of before) lab.cloud.machines.delete(builder);
  await lab.leased(build, 2);
});

test("killed between the loss and the release of the builder, the next queue releases it", async ({ lab }) => {
  const { build, first } = await running(lab);
  const { queue } = lab;
  const killed = new Promise<void>((resolve) => {
    queue.pool.release = async () => {
      resolve(queue.kill());
      return new Promise(() => {});
    };
  });
  first.frozen = true;
  await lab.until("the loss", () => lab.record(build)?.loss);
  await killed;
  assert.is(queue.pool.builder(first.builder)?.state, "leased");
  await lab.startQueue();
  await lab.leased(build, 2);
  assert.equal(leasesOf(await lab.streamOf(build)), [1, 2]);
  assert.not.ok(lab.cloud.machines.has(first.builder));
});

test("killed while the machine is destroyed, the next queue waits until it is gone", async ({ lab }) => {
  const { build } = await withUndeletedBuilder(lab);
  await lab.queue.kill();
  await lab.startQueue();
  await lab.until("a ready builder", () => lab.queue.pool.readyBuilders().length > 0);
  await lab.pass(30_000);
  assert.is(lab.record(build)?.state, "waiting");
  lab.cloud.finishDeletions();
  await lab.leased(build, 2);
  assert.equal(leasesOf(await lab.streamOf(build)), [1, 2]);
});

test("killed between the two records of the second lease, the next queue releases the builder and counts no attempt", async ({
  lab,
}) => {
  const { build, first } = await running(lab);
  const { queue } = lab;
  const { change } = queue.builds;
  const killed = new Promise<void>((resolve) => {
    queue.builds.change = async (id, decide) => {
      const current = queue.builds.get(id);
      if (current === undefined || decide(current)?.attempt !== 2) return change.call(queue.builds, id, decide);
      resolve(queue.kill());
      return new Promise(() => {});
    };
  });
  first.frozen = true;
  await lab.until("the half-written lease", () => queue.pool.leases().some(({ builder }) => builder !== first.builder));
  await killed;
  await lab.startQueue();
  await lab.leased(build, 2);
  assert.is(lab.record(build)?.attempt, 2);
  assert.equal(leasesOf(await lab.streamOf(build)), [1, 2]);
});

test("killed before the second lease is published, the next queue publishes it once, before the builder starts", async ({
  lab,
}) => {
  const { build, first } = await running(lab);
  const { queue } = lab;
  const { publishState } = queue.streams;
  const killed = new Promise<void>((resolve) => {
    queue.streams.publishState = async (id, state) => {
      if (state.state !== "leased") return publishState.call(queue.streams, id, state);
      resolve(queue.kill());
      return new Promise(() => {});
    };
  });
  first.frozen = true;
  await lab.until("the second lease", () => lab.record(build)?.attempt === 2);
  await killed;
  assert.equal(leasesOf(await lab.streamOf(build)), [1]);
  await lab.startQueue();
  const second = await lab.leased(build, 2);
  assert.equal(leasesOf(await lab.streamOf(build)), [1, 2]);
  assert.is(second.lease?.attempt, 2);
});

test.run();

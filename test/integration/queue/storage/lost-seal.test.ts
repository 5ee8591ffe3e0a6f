/** A power failure of NATS loses the final state and the seal of an ended build: the queue publishes and seals again. */
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { buildStream } from "../../../../lib/protocol/subjects.ts";
import { QueueLab } from "../../../support/queue/queue-lab.ts";

const test = suite<{ lab: QueueLab; core: NatsConnection }>("lost seal");

test.before(async (world) => {
  world.lab = await QueueLab.start();
  world.core = await world.lab.nats.core();
});
test.after(({ lab }) => lab?.stop());

test("the stream of an ended build gets its final state and its seal again at the next start of the queue", async ({
  lab,
  core,
}) => {
  const { streams } = await core.jetstreamManager();
  const build = await lab.reserve();
  await lab.leased(build, 1);
  await lab.cancel(build);
  await lab.until("the end is announced", () => lab.record(build)?.announced);
  const name = buildStream(build);
  const { config } = await streams.info(name);
  assert.ok(config.sealed);
  const [final] = (await lab.streamOf(build)).slice(-1);
  await lab.queue.kill();

  // The stream as it is after the loss: without its last message and its seal.
  await streams.delete(name);
  await streams.add({ ...config, sealed: false, deny_delete: false, deny_purge: false, max_bytes: 2 ** 20 });
  await lab.startQueue();
  await lab.until("the stream is sealed", async () => (await streams.info(name)).config.sealed);
  assert.equal(await lab.streamOf(build), [final]);
});

test.run();

/** The records of builds are lost: their streams and recipes are kept and reported, until an operator deletes them. */
import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { call } from "../../../lib/nats/rpc/client.ts";
import { adminDeleteStreams, adminStreams } from "../../../lib/protocol/requests.ts";
import { buildBucketStream, buildStream } from "../../../lib/protocol/subjects.ts";
import { BuildStreams } from "../../../lib/queue/builds/streams.ts";
import { healthOf } from "../../support/nats/health-of.ts";
import { QueueLab } from "../../support/queue/queue-lab.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ lab: QueueLab; core: NatsConnection; request: ReturnType<typeof asOperator> }>("lost records");

const asOperator = (nc: NatsConnection) => ({
  list: () => call(adminStreams, { nc, principal: "ops", request: { v: 1 }, timeoutMs: 10_000 }),
  delete: (...builds: string[]) =>
    call(adminDeleteStreams, { nc, principal: "ops", request: { v: 1, builds }, timeoutMs: 10_000 }),
});

test.before(async (world) => {
  world.lab = await QueueLab.start();
  world.core = await world.lab.nats.core();
  world.request = asOperator(world.core);
});
test.after(({ lab }) => lab?.stop());

async function streamNames(core: NatsConnection): Promise<string[]> {
  const names: string[] = [];
  for await (const name of (await core.jetstreamManager()).streams.names()) names.push(name);
  return names;
}

const recipes = async (core: NatsConnection) => {
  const { streams } = await core.jetstreamManager();
  return Object.keys((await streams.info("KV_cb-recipes", { subjects_filter: ">" })).state.subjects ?? {});
};

test("records that are lost cost no stream; those of an unfinished reservation are deleted", async (world) => {
  const { lab, core, request } = world;
  const build = await lab.reserve();
  await lab.leased(build, 1);
  assert.equal((await request.list()).builds, []);
  await lab.queue.kill();
  await (await core.jetstreamManager()).streams.delete("KV_cb-builds");
  const unfinished = randomUUID();
  const streams = new BuildStreams(core, { replicas: 1, logBytes: 1024 }, healthOf(core));
  await streams.create(unfinished);
  await streams.reserveObject(unfinished, { bytes: 1024, chunkBytes: 65_536 }, 2048);

  await lab.startQueue();
  const names = await streamNames(core);
  assert.ok(names.includes(buildStream(build)));
  assert.not.ok(names.includes(buildStream(unfinished)));
  assert.not.ok(names.includes(buildBucketStream(unfinished)));
  assert.equal(await recipes(core), [`$KV.cb-recipes.recipe.${build}`]);
  const listed = await request.list();
  assert.is(listed.total, 1);
  assert.is(listed.builds[0]?.build, build);
  assert.ok((listed.builds[0]?.bytes ?? 0) > 0);
});

test("a bucket with content keeps the empty stream beside it", async ({ lab, core, request }) => {
  const build = randomUUID();
  const streams = new BuildStreams(core, { replicas: 1, logBytes: 1024 }, healthOf(core));
  await streams.create(build);
  await streams.reserveObject(build, { bytes: 1024, chunkBytes: 65_536 }, 2048);
  assert.not.ok((await request.list()).builds.some((listed) => listed.build === build));
  const { config } = await (await core.jetstreamManager()).streams.info(buildBucketStream(build));
  await core.jetstream().publish((config.subjects[0] ?? "").replace("*", "x").replace(">", "x"), "part of a context");
  await lab.queue.kill();
  await lab.startQueue();
  const names = await streamNames(core);
  assert.ok(names.includes(buildStream(build)));
  assert.ok(names.includes(buildBucketStream(build)));
  await request.delete(build);
});

test("an operator deletes the listed streams, and no stream of a build with a record", async ({
  lab,
  core,
  request,
}) => {
  const [lost] = (await request.list()).builds;
  const recorded = await lab.reserve();
  assert.match(String(await rejection(request.delete(lost?.build ?? "", recorded))), `${recorded} has a record`);
  assert.is((await request.list()).total, 1);
  assert.equal(await request.delete(lost?.build ?? ""), { v: 1, builds: 1, bytes: lost?.bytes ?? 0 });
  const names = await streamNames(core);
  assert.not.ok(names.includes(buildStream(lost?.build ?? "")));
  assert.ok(names.includes(buildStream(recorded)));
  assert.equal(await recipes(core), [`$KV.cb-recipes.recipe.${recorded}`]);
  assert.match(String(await rejection(request.delete(lost?.build ?? ""))), "has no streams with content");
  await lab.cancel(recorded);
});

test.run();

/** Drained pools and held builders on a real NATS with the whole queue, also over its restart. */
import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildersReply } from "../../../lib/protocol/admin-messages.ts";
import { HOLD_DEFAULT_MS } from "../../../lib/protocol/admin-pools-messages.ts";
import { adminBuilders, adminDrain, adminHold, adminRelease, adminUndrain } from "../../../lib/protocol/requests.ts";
import { LabOperator } from "../../support/queue/lab-operator.ts";
import { QueueLab } from "../../support/queue/queue-lab.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ lab: QueueLab; operator: LabOperator }>("drained pools and held builders");

test.before(async (world) => {
  world.lab = await QueueLab.start();
  world.operator = await LabOperator.of(world.lab);
});
test.before.each(({ lab }) => lab.fullReserve());
test.after.each(({ lab }) => lab.tidy());
test.after(async ({ lab }) => {
  await lab?.stop();
});

const restart = async (lab: QueueLab): Promise<void> => {
  await lab.queue.kill();
  await lab.startQueue();
};

async function poolOf(operator: LabOperator): Promise<BuildersReply["pools"][number]> {
  const [pool] = (await operator.request(adminBuilders, { v: 1, consoleLines: 0 })).pools;
  assert.ok(pool);
  return pool as BuildersReply["pools"][number];
}

test("a drained pool loses its reserve and leases nothing, over a restart too; its build goes on and others wait", async ({
  lab,
  operator,
}) => {
  const running = await lab.reserve("ada");
  const agent = await lab.leased(running, 1);
  const reason = "the cloud is repaired";
  const reply = await operator.request(adminDrain, { v: 1, pool: "p", reason });
  assert.equal(reply, { v: 1, leased: 1, waiting: 0 });
  await lab.until("only the leased machine is left", () => [...lab.cloud.machines.keys()].join() === agent.builder);
  const waiting = await lab.reserve("grace");
  const queued = { v: 1, state: "queued", position: 1, waiting: 1, reason: `pool p is drained: ${reason}` };
  await lab.until("the reason in the stream", async () =>
    (await lab.streamOf(waiting)).some((entry) => JSON.stringify(entry) === JSON.stringify(queued)),
  );
  await restart(lab);
  await lab.pass(30_000);
  assert.equal([...lab.cloud.machines.keys()], [agent.builder]);
  assert.equal([lab.record(running)?.state, lab.record(waiting)?.state], ["leased", "waiting"]);
  const { drained } = await poolOf(operator);
  assert.equal([drained?.operator, drained?.reason], ["operator", reason]);
  const { reserveTarget, drained: shown } = lab.queue.pool.status();
  assert.equal([reserveTarget, shown], [0, `pool p is drained: ${reason}`]);

  await operator.request(adminUndrain, { v: 1, pool: "p" });
  await lab.leased(waiting, 1);
  assert.match(String(await rejection(operator.request(adminUndrain, { v: 1, pool: "p" }))), /pool p is not drained/);
  assert.match(String(await rejection(operator.request(adminDrain, { v: 1, pool: "q", reason }))), /no pool q/);
});

test("a held builder outlives its build over a restart, its agent is not stopped, and it goes when it is released", async ({
  lab,
  operator,
}) => {
  const build = await lab.reserve("ada");
  const agent = await lab.leased(build, 1);
  const { builder } = agent;
  await operator.request(adminHold, { v: 1, builder, forMs: HOLD_DEFAULT_MS, reason: "a look" });
  await agent.end({ kind: "failed", exitCode: 1, reason: "no" });
  await lab.until("the end", () => lab.record(build)?.announced);
  await restart(lab);
  await lab.pass(60_000);
  assert.ok(lab.cloud.machines.has(builder));
  assert.equal((await agent.ask({ state: "ready" })).order, "none");
  const entry = (await poolOf(operator)).builders.find(({ id }) => id === builder);
  assert.equal([entry?.state, entry?.held?.operator, entry?.held?.reason], ["held", "operator", "a look"]);

  await operator.request(adminRelease, { v: 1, builder });
  await lab.until("the machine is destroyed", () => !lab.cloud.machines.has(builder));
  assert.is((await agent.ask({ state: "ready" })).order, "stop");
  const unknown = await rejection(operator.request(adminRelease, { v: 1, builder: randomUUID() }));
  assert.match(String(unknown), /no pool has a builder/);
});

test("a held builder of the reserve gets no lease, is replaced in the reserve, and goes at the end of the hold", async ({
  lab,
  operator,
}) => {
  const [ready] = lab.queue.pool.status().reserve;
  const builder = ready?.builder ?? "";
  await operator.request(adminHold, { v: 1, builder, forMs: 60_000, reason: "" });
  await lab.until("another reserve", () => lab.queue.pool.status().reserve.length === 2);
  assert.is(lab.cloud.machines.size, 3);
  const builds = await Promise.all(["ada", "grace", "eve"].map((user) => lab.reserve(user)));
  for (const build of builds) await lab.leased(build, 1);
  assert.not.ok(builds.some((build) => lab.record(build)?.builder === builder));
  await lab.until("the machine is destroyed", () => !lab.cloud.machines.has(builder));
  const again = await rejection(operator.request(adminHold, { v: 1, builder, forMs: 60_000, reason: "" }));
  assert.match(String(again), /no pool has a builder|is being destroyed already/);
});

test.run();

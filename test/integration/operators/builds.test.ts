/** The requests of operators about the builds of all users, on a real NATS with the whole queue. */
import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adminBuilds, adminCancel } from "../../../lib/protocol/requests.ts";
import { LabOperator } from "../../support/queue/lab-operator.ts";
import { QueueLab } from "../../support/queue/queue-lab.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ lab: QueueLab; operator: LabOperator }>("admin builds");

test.before(async (world) => {
  world.lab = await QueueLab.start();
  world.operator = await LabOperator.of(world.lab);
});
test.after.each(({ lab }) => lab.tidy());
test.after(async ({ lab }) => {
  await lab?.stop();
});

test("list-builds shows the builds of all users, newest first, by user, state and prefix, and the number of all", async ({
  lab,
  operator,
}) => {
  const ada = await lab.reserve("ada", { name: "a.sif" });
  const agent = await lab.leased(ada, 1);
  const grace = await lab.reserve("grace", { pool: "p" });
  await lab.leased(grace, 1);
  const all = await operator.request(adminBuilds, { v: 1, last: 1 });
  assert.equal([all.total, all.builds.map(({ build, user }) => [build, user])], [2, [[grace, "grace"]]]);
  const [entry] = (await operator.request(adminBuilds, { v: 1, user: "ada", last: 10 })).builds;
  assert.equal(
    [entry?.build, entry?.state, entry?.name, entry?.pool, entry?.builder],
    [ada, "leased", "a.sif", "p", agent.builder],
  );
  const prefix = grace.slice(0, 8);
  assert.is((await operator.request(adminBuilds, { v: 1, prefix, last: 10 })).builds[0]?.build, grace);
  await agent.end({ kind: "failed", exitCode: 1, reason: "no" });
  const failed = await operator.request(adminBuilds, { v: 1, states: ["failed"], last: 10 });
  assert.equal(
    failed.builds.map(({ build, reason }) => [build, reason]),
    [[ada, "no"]],
  );
});

test("cancel-build ends the build of any user, who reads that an operator did it and why; a repeat names the end", async ({
  lab,
  operator,
}) => {
  const build = await lab.reserve("ada");
  const agent = await lab.leased(build, 1);
  const cancelled = await operator.request(adminCancel, { v: 1, build, reason: "the node is needed" });
  assert.equal(cancelled, { v: 1, user: "ada", state: "cancelled" });
  await lab.until("the machine is destroyed", () => !lab.cloud.machines.has(agent.builder));
  const reason = "cancelled by the operator operator: the node is needed";
  assert.equal((await lab.streamOf(build)).at(-1), { v: 1, state: "cancelled", reason });
  assert.is((await operator.request(adminCancel, { v: 1, build })).state, "cancelled");
  assert.equal(lab.record(build)?.final, { v: 1, state: "cancelled", reason });
  const unknown = await rejection(operator.request(adminCancel, { v: 1, build: randomUUID() }));
  assert.match(String(unknown), /there is no build/);
});

test.run();

/** A reserve of five on a real nova, through what goes wrong there most often. */
// alone: the testbed's faults are everybody's
// timeout: 600 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CloudLab, RESERVE } from "../support/openstack/cloud-lab.ts";

const test = suite("a reserve on OpenStack");
let lab: CloudLab;

test.before(async () => {
  lab = await CloudLab.start({ installation: "reserve" });
  await lab.untilSettled("the first reserve");
});
test.after(() => lab?.stop());

test("nova-api killed: the reserve serves what it has, says why there is no more, and is refilled", async () => {
  await lab.box.service("kill", "nova-api");
  await lab.useOne();
  await lab.until("it says why", () => lab.pool.status().reason.includes("cannot be listed"));
  assert.is(lab.pool.readyBuilders().length, RESERVE - 1, "silence of the cloud is no reason to give up a builder");
  await lab.box.service("start", "nova-api");
  await lab.untilSettled("settled after nova-api was killed");
});

test("spawning fails: what is in ERROR is replaced, with nova's words kept for the operator", async () => {
  await lab.box.setFaults([{ name: ".", spawnFail: "no disk left on host", abort: true }]);
  await lab.useOne();
  await lab.until("two have failed", () => lab.pool.failures().length >= 2);
  assert.match(lab.pool.failures()[0]?.reason ?? "", /no disk left on host/);
  assert.is(lab.pool.readyBuilders().length, RESERVE - 1);
  await lab.box.setFaults([]);
  await lab.untilSettled("settled after spawning failed");
});

test("the quota is used up: it is the reason for waiting, and no machine is given up for it", async () => {
  const failures = lab.pool.failures().length;
  await lab.admin.setInstanceQuota(lab.demo.projectId, RESERVE - 1);
  await lab.useOne();
  await lab.until("one is gone", async () => (await lab.demo.servers()).length === RESERVE - 1);
  await lab.until("it says why", () => lab.pool.status().reason === `reserve 4 of 5: quota, 4 of 4 instances`);
  await lab.useOne();
  await lab.until("as many as the quota allows", () => lab.pool.readyBuilders().length === RESERVE - 1);
  assert.is(lab.pool.failures().length, failures);
  await lab.admin.setInstanceQuota(lab.demo.projectId, -1);
  await lab.untilSettled("settled after the quota was raised");
});

test("never more machines than the pool may have, and nothing is left of it", async () => {
  assert.ok(lab.mostSeen <= lab.pool.status().totalMax, `${lab.mostSeen} machines at once`);
  await lab.empty();
  assert.equal(await lab.demo.listings(), lab.before);
});

test.run();

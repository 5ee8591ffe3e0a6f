/** A reserve of five on a real nova, during the most frequent faults. */
// alone: all files share one testbed, and its faults
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

test("while nova-api is down the pool leases its ready builders and reports the reason; then it refills the reserve", async () => {
  await lab.box.service("kill", "nova-api");
  await lab.useOne();
  await lab.until("the pool reports the reason", () => lab.pool.status().reason.includes("cannot be listed"));
  assert.is(lab.pool.readyBuilders().length, RESERVE - 1, "no builder is destroyed during an outage of the cloud");
  await lab.box.service("start", "nova-api");
  await lab.untilSettled("settled after nova-api was killed");
});

test("a machine in ERROR is replaced, and nova's fault is kept for the operator", async () => {
  await lab.box.setFaults([{ name: ".", spawnFail: "no disk left on host", abort: true }]);
  await lab.useOne();
  await lab.until("two have failed", () => lab.pool.failures().length >= 2);
  assert.match(lab.pool.failures()[0]?.reason ?? "", /no disk left on host/);
  assert.is(lab.pool.readyBuilders().length, RESERVE - 1);
  await lab.box.setFaults([]);
  await lab.untilSettled("settled after spawning failed");
});

test("an exhausted quota is the reported reason for waiting, and no builder is destroyed for it", async () => {
  const failures = lab.pool.failures().length;
  await lab.admin.setInstanceQuota(lab.demo.projectId, RESERVE - 1);
  await lab.useOne();
  await lab.until("one server is deleted", async () => (await lab.demo.servers()).length === RESERVE - 1);
  await lab.until(
    "the pool reports the reason",
    () => lab.pool.status().reason === `reserve 4 of 5: quota, 4 of 4 instances`,
  );
  await lab.useOne();
  await lab.until("the reserve is as large as the quota allows", () => lab.pool.readyBuilders().length === RESERVE - 1);
  assert.is(lab.pool.failures().length, failures);
  await lab.admin.setInstanceQuota(lab.demo.projectId, -1);
  await lab.untilSettled("settled after the quota was raised");
});

test("the maximum was not exceeded, and nothing of the pool is left", async () => {
  assert.ok(lab.maxObserved <= lab.pool.status().totalMax, `${lab.maxObserved} machines at once`);
  await lab.empty();
  assert.equal(await lab.demo.listings(), lab.before);
});

test.run();

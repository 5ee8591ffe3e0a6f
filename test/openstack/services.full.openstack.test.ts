/** A reserve of five while a service of the cloud is killed or paused, and the queue is killed too. */
// alone: all files share one testbed, and its faults
// timeout: 1800 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CloudLab, RESERVE } from "../support/openstack/cloud-lab.ts";
import type { Service } from "./testbed/box.ts";

const test = suite("services of OpenStack fail");
let lab: CloudLab;

test.before(async () => {
  lab = await CloudLab.start({ installation: "services" });
  await lab.untilSettled("the first reserve");
});
test.after(async () => {
  // A failed test must not leave a paused service.
  for (const service of PAUSED) await lab?.box.service("resume", service).catch(() => undefined);
  await lab?.stop();
});

interface Outage {
  readonly service: Service;
  readonly how: "kill" | "pause";
}

const OUTAGES: readonly Outage[] = [
  { service: "nova-api", how: "kill" },
  { service: "nova-api", how: "pause" },
  { service: "nova-compute", how: "kill" },
  { service: "neutron", how: "pause" },
  { service: "placement", how: "kill" },
  { service: "keystone", how: "kill" },
];
const PAUSED = [...new Set(OUTAGES.filter(({ how }) => how === "pause").map(({ service }) => service))];
/** Longer than a create takes, so that one is in flight during the outage. */
const OUTAGE_MS = 15_000;

for (const { service, how } of OUTAGES) {
  test(`during "${how} ${service}", a build and a restart of the queue the reserve is kept, and no machine is created twice`, async () => {
    await lab.box.service(how, service);
    await lab.useOne();
    await lab.pass(OUTAGE_MS);
    assert.ok(lab.pool.readyBuilders().length >= RESERVE - 1, "ready builders stay ready");
    await lab.killQueue();
    await lab.box.service(how === "kill" ? "start" : "resume", service);
    await lab.startQueue();
    await lab.untilSettled(`settled after ${service}: ${how}`);
  });
}

test("the maximum was not exceeded, and nothing of the pool is left", async () => {
  assert.ok(lab.maxObserved <= lab.pool.status().totalMax, `${lab.maxObserved} machines at once`);
  await lab.empty();
  assert.equal(await lab.demo.listings(), lab.before);
});

test.run();

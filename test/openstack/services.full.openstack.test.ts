/** A reserve of five while the services of the cloud die, stand still and come back; each time the queue is killed, too. */
// alone: the testbed's faults are everybody's
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
  // A test that failed must not leave a service that stands still.
  for (const service of STOOD_STILL) await lab?.box.service("resume", service).catch(() => undefined);
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
const STOOD_STILL = [...new Set(OUTAGES.filter(({ how }) => how === "pause").map(({ service }) => service))];
/** Longer than a create takes, so that one is under way when the service is missing. */
const OUTAGE_MS = 15_000;

for (const { service, how } of OUTAGES) {
  test(`${service}: ${how}, a build meanwhile, the queue killed: the reserve is kept, and nothing is made twice`, async () => {
    await lab.box.service(how, service);
    await lab.useOne();
    await lab.pass(OUTAGE_MS);
    assert.ok(lab.pool.readyBuilders().length >= RESERVE - 1, "what is ready stays ready");
    await lab.killQueue();
    await lab.box.service(how === "kill" ? "start" : "resume", service);
    await lab.startQueue();
    await lab.untilSettled(`settled after ${service}: ${how}`);
  });
}

test("never more machines than the pool may have, and nothing is left of it", async () => {
  assert.ok(lab.mostSeen <= lab.pool.status().totalMax, `${lab.mostSeen} machines at once`);
  await lab.empty();
  assert.equal(await lab.demo.listings(), lab.before);
});

test.run();

/** A reserve of five machines that are slow, fail, cannot be destroyed, or are deleted by an operator. */
// alone: all files share one testbed, and its faults
// timeout: 1800 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CloudLab, RESERVE } from "../support/openstack/cloud-lab.ts";
import { untilCloud } from "../support/openstack/until-cloud.ts";
import type { MachineFault } from "./testbed/box.ts";

const INSTALLATION = "machines";
const test = suite("machines of OpenStack fail");
let lab: CloudLab;
let otherServers: string[] = [];

test.before(async () => {
  lab = await CloudLab.start({ installation: INSTALLATION });
  await lab.untilSettled("the first reserve");
});
test.after(async () => {
  for (const id of otherServers) await lab?.demo.deleteServer(id);
  await lab?.stop();
});

/** Kills the queue and starts it again. */
async function restartQueue(): Promise<void> {
  await lab.killQueue();
  await lab.startQueue();
}

test("setup: servers of another installation, and servers with an incomplete identity, are created", async () => {
  const [own] = (await lab.demo.servers()).filter(({ id }) => !lab.before.servers.includes(id));
  assert.ok(own);
  const ofAnother = (text: string): string => text.replace(INSTALLATION, "another");
  const metadata = Object.fromEntries(Object.entries(own.metadata).map(([key, value]) => [key, ofAnother(value)]));
  otherServers = [
    await lab.demo.createServer(metadata, own.tags.map(ofAnother)),
    await lab.demo.createServer({}, own.tags),
    await lab.demo.createServer({ note: INSTALLATION }),
  ];
});

interface FaultCase extends Omit<MachineFault, "name"> {
  readonly effect: string;
  readonly hasEffect: () => boolean | Promise<boolean>;
}

const hasFailed = (): boolean => lab.pool.failures().length > 0;

const FAULTS: readonly FaultCase[] = [
  { effect: "fails", spawnFail: "no disk left on host", hasEffect: hasFailed },
  { effect: "is aborted", spawnFail: "no disk left on host", abort: true, hasEffect: hasFailed },
  { effect: "is slow", spawnDelayS: 20, hasEffect: async () => (await lab.count("BUILD")) > 0 },
  {
    effect: "cannot be destroyed",
    destroyFail: "the hypervisor says no",
    hasEffect: async () => (await lab.count("ERROR")) > 0,
  },
];

for (const { effect, hasEffect, ...fault } of FAULTS) {
  test(`a machine that ${effect}, and a restart of the queue: the reserve is kept`, async () => {
    // The servers named "other-…" do not belong to the pool.
    await lab.box.setFaults([{ name: "^(?!other-)", ...fault }]);
    await lab.useOne();
    await lab.until(`a machine ${effect}`, hasEffect);
    await restartQueue();
    await lab.until("the restarted queue knows its reserve", () => lab.pool.readyBuilders().length > 0);
    await lab.box.setFaults([]);
    await lab.untilSettled(`settled after a machine that ${effect}`);
  });
}

test("during quota 0 and a restart of the queue no builder is destroyed; afterwards the reserve is refilled", async () => {
  await lab.admin.setInstanceQuota(lab.demo.projectId, 0);
  await lab.useOne();
  await lab.until("the pool reports the reason", () => /quota/i.test(lab.pool.status().reason));
  await restartQueue();
  await lab.until("the other builders are ready", () => lab.pool.readyBuilders().length === RESERVE - 1);
  await lab.admin.setInstanceQuota(lab.demo.projectId, -1);
  await lab.untilSettled("settled after quota 0");
});

test("servers that an operator deletes are replaced, also after a restart of the queue", async () => {
  const kept = [...lab.before.servers, ...otherServers];
  const own = (await lab.demo.servers()).filter(({ id }) => !kept.includes(id));
  for (const { id } of own.slice(0, 3)) await lab.demo.deleteServer(id);
  await restartQueue();
  await lab.untilSettled("settled after three were deleted");
});

test("with soft deletion, a destroyed server is no longer listed and is replaced, while nova still keeps it", async () => {
  await lab.box.setReclaimInterval(3600);
  try {
    await lab.useOne();
    await lab.untilSettled("settled while nova keeps a deleted server");
    const [kept, ...more] = await lab.admin.softDeleted();
    assert.ok(kept);
    assert.equal(more, []);
    await lab.admin.forceDelete(kept);
    await untilCloud("nova has deleted the server", async () => (await lab.admin.softDeleted()).length === 0);
  } finally {
    await lab.box.setReclaimInterval(0);
    await untilCloud("nova replies again", isReplying);
  }
});

const isReplying = (): Promise<boolean> =>
  lab.demo.servers().then(
    () => true,
    () => false,
  );

test("other servers were kept, the maximum was not exceeded, and nothing of the pool is left", async () => {
  const left = (await lab.demo.servers()).map(({ id }) => id);
  assert.equal(
    otherServers.filter((id) => !left.includes(id)),
    [],
  );
  assert.ok(lab.maxObserved <= lab.pool.status().totalMax, `${lab.maxObserved} machines at once`);
  await lab.empty();
  const { servers, keypairs } = await lab.demo.listings();
  assert.equal(servers, [...lab.before.servers, ...otherServers].sort());
  assert.equal(keypairs, lab.before.keypairs);
});

test.run();

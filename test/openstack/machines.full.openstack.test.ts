/** A reserve of five whose machines come late, fail, do not go, or are taken away; and those of others, which stay. */
// alone: the testbed's faults are everybody's
// timeout: 1800 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CloudLab, RESERVE } from "../support/openstack/cloud-lab.ts";
import { untilCloud } from "../support/openstack/until-cloud.ts";
import type { MachineFault } from "./testbed/box.ts";

const INSTALLATION = "machines";
const test = suite("machines of OpenStack fail");
let lab: CloudLab;
let foreign: string[] = [];

test.before(async () => {
  lab = await CloudLab.start({ installation: INSTALLATION });
  await lab.untilSettled("the first reserve");
});
test.after(async () => {
  for (const id of foreign) await lab?.demo.deleteServer(id);
  await lab?.stop();
});

/** Another process of the queue takes over. */
async function killed(): Promise<void> {
  await lab.killQueue();
  await lab.startQueue();
}

test("servers of another installation and look-alikes are there from here on", async () => {
  const [ours] = (await lab.demo.servers()).filter(({ id }) => !lab.before.servers.includes(id));
  assert.ok(ours);
  const others = (text: string): string => text.replace(INSTALLATION, "another");
  const metadata = Object.fromEntries(Object.entries(ours.metadata).map(([key, value]) => [key, others(value)]));
  foreign = [
    await lab.demo.createServer(metadata, ours.tags.map(others)),
    await lab.demo.createServer({}, ours.tags),
    await lab.demo.createServer({ note: INSTALLATION }),
  ];
});

interface Trouble extends Omit<MachineFault, "name"> {
  readonly is: string;
  readonly isFelt: () => boolean | Promise<boolean>;
}

const hasFailed = (): boolean => lab.pool.failures().length > 0;

const TROUBLES: readonly Trouble[] = [
  { is: "fails", spawnFail: "no disk left on host", isFelt: hasFailed },
  { is: "is aborted", spawnFail: "no disk left on host", abort: true, isFelt: hasFailed },
  { is: "is slow", spawnDelayS: 20, isFelt: async () => (await lab.count("BUILD")) > 0 },
  {
    is: "cannot be destroyed",
    destroyFail: "the hypervisor says no",
    isFelt: async () => (await lab.count("ERROR")) > 0,
  },
];

for (const { is, isFelt, ...fault } of TROUBLES) {
  test(`a machine that ${is}, and the queue killed meanwhile: the reserve is kept`, async () => {
    // What is named "other-…" is not the pool's.
    await lab.box.setFaults([{ name: "^(?!other-)", ...fault }]);
    await lab.useOne();
    await lab.until(`a machine ${is}`, isFelt);
    await killed();
    await lab.until("the queue that is new knows its reserve", () => lab.pool.readyBuilders().length > 0);
    await lab.box.setFaults([]);
    await lab.untilSettled(`settled after a machine that ${is}`);
  });
}

test("quota 0 and back, and the queue killed meanwhile: nothing is given up, and what is used is made again", async () => {
  await lab.admin.setInstanceQuota(lab.demo.projectId, 0);
  await lab.useOne();
  await lab.until("it says why", () => /quota/i.test(lab.pool.status().reason));
  await killed();
  await lab.until("the rest is ready", () => lab.pool.readyBuilders().length === RESERVE - 1);
  await lab.admin.setInstanceQuota(lab.demo.projectId, -1);
  await lab.untilSettled("settled after quota 0");
});

test("servers deleted behind its back, and the queue killed meanwhile, are made again", async () => {
  const kept = [...lab.before.servers, ...foreign];
  const ours = (await lab.demo.servers()).filter(({ id }) => !kept.includes(id));
  for (const { id } of ours.slice(0, 3)) await lab.demo.deleteServer(id);
  await killed();
  await lab.untilSettled("settled after three were deleted");
});

test("a nova that keeps what is deleted lists it no more: it is replaced, and nova still has it", async () => {
  await lab.box.setReclaimInterval(3600);
  try {
    await lab.useOne();
    await lab.untilSettled("settled over a server that is kept");
    const [kept, ...more] = await lab.admin.softDeleted();
    assert.ok(kept);
    assert.equal(more, []);
    await lab.admin.deleteForGood(kept);
    await untilCloud("nova has deleted it", async () => (await lab.admin.softDeleted()).length === 0);
  } finally {
    await lab.box.setReclaimInterval(0);
    await untilCloud("nova answers again", answers);
  }
});

const answers = (): Promise<boolean> =>
  lab.demo.servers().then(
    () => true,
    () => false,
  );

test("through all of it nobody else's server was touched, nor the maximum passed, and nothing is left", async () => {
  const left = (await lab.demo.servers()).map(({ id }) => id);
  assert.equal(
    foreign.filter((id) => !left.includes(id)),
    [],
  );
  assert.ok(lab.mostSeen <= lab.pool.status().totalMax, `${lab.mostSeen} machines at once`);
  await lab.empty();
  const { servers, keypairs } = await lab.demo.listings();
  assert.equal(servers, [...lab.before.servers, ...foreign].sort());
  assert.equal(keypairs, lab.before.keypairs);
});

test.run();

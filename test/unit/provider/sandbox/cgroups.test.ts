import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeBounds, planBounds } from "../../../../lib/provider/sandbox/bounds.ts";
import { type Hierarchy, hierarchiesIn, placeFor } from "../../../../lib/provider/sandbox/cgroups.ts";

const test = suite("cgroups");

const FIRST_MOUNTS = `24 23 0:30 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
25 23 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
26 23 0:32 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
27 23 0:33 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
28 23 8:1 / /home rw,relatime - ext4 /dev/sda1 rw`;
const FIRST_OWN = "4:memory:/jobs/7\n1:cpu,cpuacct:/\n9:name=systemd:/\n0::/\n";
const SECOND_MOUNTS = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";
const SERVICE = "0::/system.slice/cb-queue.service\n";
const NO_RIGHTS = { parent: false, own: false };

test("hierarchiesIn() finds the hierarchies of both versions, with the own group in each", () => {
  const found = hierarchiesIn(FIRST_MOUNTS, FIRST_OWN);
  assert.equal(
    found.map(({ version, mount, own }) => [version, mount, own]),
    [
      [1, "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu"],
      [1, "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/jobs/7"],
      [1, "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/systemd"],
      [2, "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified"],
    ],
  );
  const [service] = hierarchiesIn(SECOND_MOUNTS, SERVICE);
  assert.is(service?.own, "/sys/fs/cgroup/system.slice/cb-queue.service");
});

test("hierarchiesIn() takes the mount point in a container that sees only a part of the hierarchy", () => {
  const mounts = "25 23 0:31 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory";
  const owns = ["/docker/1", "/docker/1/sub", "/elsewhere"].map(
    (group) => hierarchiesIn(mounts, `4:memory:${group}`)[0]?.own,
  );
  assert.equal(owns, ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/sub", "/sys/fs/cgroup/memory"]);
});

test("placeFor() uses version 1 below the own group, as root only", () => {
  const hierarchies = hierarchiesIn(FIRST_MOUNTS, FIRST_OWN);
  assert.equal(placeFor("memory", hierarchies, { isRoot: true, rights: NO_RIGHTS }), {
    version: 1,
    folder: "/sys/fs/cgroup/memory/jobs/7",
    moveOut: false,
  });
  const refused = placeFor("memory", hierarchies, { isRoot: false, rights: { parent: true, own: true } });
  assert.match("reason" in refused ? refused.reason : "", "only root makes groups");
});

test("placeFor() uses version 2 at the mount point as root, and at the delegated group as a user", () => {
  const hierarchies = hierarchiesIn(SECOND_MOUNTS, SERVICE);
  const place = (isRoot: boolean, parent: boolean, own: boolean) =>
    placeFor("cpu", hierarchies, { isRoot, rights: { parent, own } });
  assert.equal(place(true, true, true), { version: 2, folder: "/sys/fs/cgroup", moveOut: false });
  assert.equal(place(false, true, true), { version: 2, folder: "/sys/fs/cgroup/system.slice", moveOut: false });
  assert.equal(place(false, false, true), {
    version: 2,
    folder: "/sys/fs/cgroup/system.slice/cb-queue.service",
    moveOut: true,
  });
  assert.match(JSON.stringify(place(false, false, false)), "Delegate=yes");
});

test("placeFor() names the remedy when nothing is mounted", () => {
  const none: Hierarchy[] = [];
  assert.match(JSON.stringify(placeFor("memory", none, { isRoot: true, rights: NO_RIGHTS })), "mount cgroup2");
});

const V2 = { version: 2, folder: "/cg", moveOut: false } as const;

test("planBounds() puts both controllers of version 2 into one group, and leaves out what does not hold", () => {
  const bounds = { memoryMib: 100, cores: 1.5, diskMib: 4096 };
  const all = planBounds("sandbox", bounds, { places: { memory: V2, cpu: V2 }, reasons: {} });
  assert.equal(all.launch, { groups: ["/cg/container-builder/sandbox"], diskMib: 4096, memoryMib: 100 });
  assert.equal(
    all.groups.flatMap(({ settings }) => settings.map(({ file, text }) => `${file} ${text}`)),
    ["memory.max 104857600", "memory.swap.max 0", "cpu.max 150000 100000"],
  );
  const none = planBounds("sandbox", bounds, { places: {}, reasons: { memory: "m", cpu: "c", disk: "d" } });
  assert.equal(none, { groups: [], launch: { groups: [], diskMib: 0, memoryMib: 0 }, binds: [] });
});

test("describeBounds() names what holds, and for the rest the reason", () => {
  const bounds = { memoryMib: 100, cores: undefined, diskMib: 4096 };
  assert.is(
    describeBounds(bounds, { places: {}, reasons: {} }),
    "a sandbox gets at most 100 MiB of memory, 4096 MiB of disk space",
  );
  assert.is(
    describeBounds({ ...bounds, cores: 2 }, { places: {}, reasons: { memory: "no group", cpu: "none" } }),
    "a sandbox gets at most 4096 MiB of disk space; NOT bounded on this host: memory (no group); processor time (none)",
  );
});

test.run();

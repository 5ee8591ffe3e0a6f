/**
 * Root of a sandbox takes all memory, processor time, disk space and inodes that it can get, and tries to change its bounds. On a host
 * that cannot hold a bound, the check of the provider must say so.
 */
// slow: starts a dozen sandboxes.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Bounds, planBounds } from "../../../lib/provider/sandbox/bounds.ts";
import { endSandboxIn } from "../../../lib/provider/sandbox/folder.ts";
import { hostSupport, type Resource } from "../../../lib/provider/sandbox/host-support.ts";
import { SandboxProvider } from "../../../lib/provider/sandbox/provider.ts";
import { allOf, inside, SCRIPT_AGENT, succeeded } from "../../support/inside-sandbox.ts";
import { newSpec, observedAs, signal, untilPrinted } from "../../support/provider-contract.ts";
import { testRootfs } from "../../support/rootfs.ts";
import { cleanUpWhenInterrupted, destroyAll } from "../../support/sandboxes.ts";
import { until } from "../../support/until.ts";

const rootfs = await testRootfs();
const home = await mkdtemp(join(tmpdir(), "container-builder-test-"));
const support = await hostSupport();
const test = suite("sandbox-bounds");
/** Each attack ends by itself at a few times the bound, so that a broken bound does the host no harm. */
const TAKE_MEMORY = `perl -e '$x .= "x" x 1048576 for 1 .. 1024'`;
const BOUNDS: Bounds = { memoryMib: 256, cores: undefined, diskMib: 64 };

const OPTIONS = {
  stateDir: join(home, "state"),
  rootfs,
  installation: "test",
  agentCommand: SCRIPT_AGENT,
  agentBinds: [],
  allowHostPorts: [],
  limits: { processes: 500, files: 1000 },
};
const providerWith = (bounds: Bounds) => new SandboxProvider({ ...OPTIONS, bounds });
const provider = providerWith(BOUNDS);
cleanUpWhenInterrupted(home, [provider]);
test.after(() => rm(home, { recursive: true, force: true }));

/** False, when the host cannot hold the bound and the check says so. */
async function isHeld(resource: Resource, name: string, bounds = BOUNDS): Promise<boolean> {
  const reason = support.reasons[resource];
  if (reason === undefined) return true;
  assert.match(await providerWith(bounds).check(), `${name} (${reason})`);
  return false;
}

/** The control groups of a sandbox. */
function groupsOf(builder: string, bounds = BOUNDS): readonly string[] {
  return planBounds(`container-builder-${builder}`, bounds, support).launch.groups;
}

/** Runs a script in one sandbox, and then has a second one, which ran meanwhile, write a file. */
async function besideAnother(script: string): Promise<string> {
  const writing = `
    while dd if=/dev/zero of=/root/x bs=1M count=20 status=none; do echo "wrote $((n += 1))"; sleep 0.2; done`;
  const other = newSpec("test", writing);
  try {
    await provider.create(other, signal());
    await untilPrinted(provider, other.builder, "wrote 1\n");
    const printed = await inside(provider, script);
    const console = Buffer.from(await provider.consoleOutput(other.builder, 100_000, signal())).toString();
    const rounds = console.match(/^wrote/gm)?.length ?? 0;
    await untilPrinted(provider, other.builder, `wrote ${rounds + 1}\n`);
    return printed;
  } finally {
    await provider.destroy(other.builder, signal());
  }
}

test("a process that takes all memory is ended at the limit, and nothing else is", async () => {
  if (!(await isHeld("memory", "memory"))) return;
  const printed = await besideAnother(`
    ${TAKE_MEMORY}; echo "ended by $?"
    cat /run/sandbox/memory-limit; grep -h '^oom_kill ' /run/sandbox/memory-events`);
  assert.match(printed, "ended by 137\n");
  assert.match(printed, `${BOUNDS.memoryMib * 1024 * 1024}\noom_kill 1\n`);
});

test("files in memory leave room for the processes", async () => {
  if (!(await isHeld("memory", "memory"))) return;
  const printed = await inside(
    provider,
    "for folder in /dev /dev/shm /run; do head -c 300M /dev/zero >$folder/full; done",
  );
  assert.is(printed.match(/No space left on device/g)?.length, 3, printed);
});

test("the memory limit that ends the agent is the reason of the machine's fault", async () => {
  if (!(await isHeld("memory", "memory"))) return;
  const spec = newSpec("test", `exec ${TAKE_MEMORY}`);
  await provider.create(spec, signal());
  const { fault } = await observedAs(provider, spec.builder, "error");
  assert.match(
    fault ?? "",
    "was ended by SIGKILL (the kernel ended a process at the sandbox's memory limit of 256 MiB)",
  );
  await provider.destroy(spec.builder, signal());
});

test("a fork bomb stops at the process limit", async () => {
  const perl = `while (defined(my $kid = fork)) { if (!$kid) { sleep 600; exit } $n++ } print "forked $n\\n"`;
  const printed = await besideAnother(`perl -e '${perl}'; kill -9 -1`);
  const forked = Number(/^forked (\d+)$/m.exec(printed)?.[1]);
  assert.ok(forked > 400 && forked < 500, printed);
});

test("a disk that is full of data or of files is full for its sandbox only", async () => {
  if (!(await isHeld("disk", "disk space"))) return;
  const perl = `for (1 .. 100_000) { open(my $f, ">", $_) or print("stopped at $_: $!\\n"), last }`;
  const printed = await besideAnother(`
    head -c 500M /dev/zero >/root/full; stat -c 'size %s' /root/full; rm /root/full
    mkdir /root/many; cd /root/many; perl -e '${perl}'`);
  const size = Number(/^size (\d+)$/m.exec(printed)?.[1]) / 1024 / 1024;
  assert.ok(size > BOUNDS.diskMib / 2 && size < BOUNDS.diskMib, printed);
  const files = Number(/^stopped at (\d+): No space left on device$/m.exec(printed)?.[1]);
  assert.ok(files > 1000 && files < 100_000, printed);
});

test("a sandbox runs in a group with limited processor time", async () => {
  const bounds: Bounds = { ...BOUNDS, cores: 0.5 };
  if (!(await isHeld("cpu", "processor time", bounds))) return;
  const spec = newSpec("test", "echo begun; sleep 1000");
  const bounded = providerWith(bounds);
  await bounded.create(spec, signal());
  await untilPrinted(bounded, spec.builder, "begun");
  const { groups } = planBounds(`container-builder-${spec.builder}`, bounds, support);
  const { folder = "", settings = [] } = groups.find(({ controller }) => controller === "cpu") ?? {};
  const found = settings.map(({ file }) => readFileSync(join(folder, file), "utf8").trim());
  const processes = readFileSync(join(folder, "cgroup.procs"), "utf8");
  await bounded.destroy(spec.builder, signal());
  assert.equal(
    found,
    settings.map(({ text }) => text),
  );
  assert.match(processes, /^\d+$/m);
});

test("a sandbox can neither change its limits nor leave its control groups", async () => {
  const mountThen = (options: string, attempt: string) => `mount -t ${options} none /mnt && (${attempt})`;
  const printed = await inside(
    provider,
    allOf({
      "raise the memory limit": mountThen("cgroup -o memory", "echo -1 >/mnt/memory.limit_in_bytes"),
      "leave the memory group": mountThen("cgroup -o memory", "mkdir /mnt/x && echo 0 >/mnt/x/cgroup.procs"),
      "enter the root group": mountThen("cgroup -o memory", "echo 0 >/mnt/cgroup.procs"),
      "turn the killer off": mountThen("cgroup -o memory", "echo 1 >/mnt/memory.oom_control"),
      "raise the limit of version 2": mountThen("cgroup2", "echo max >/mnt/memory.max"),
      "leave the group of version 2": mountThen("cgroup2", "mkdir /mnt/x && echo 0 >/mnt/x/cgroup.procs"),
      "take a controller away": mountThen("cgroup2", "echo -memory >/mnt/cgroup.subtree_control"),
      "write the files of the limit": "echo 999999999999 >/run/sandbox/memory-limit",
      "make them writable": "mount -o remount,bind,rw /run/sandbox/memory-limit",
      "enter another cgroup namespace": `unshare --cgroup --mount bash -c '${mountThen("cgroup -o memory", "echo 0 >/mnt/tasks")}'`,
      "forbid the kernel to end it": "echo -1 >/proc/self/oom_score_adj",
      "grow the disk": "mount -o remount,size=1G / || resize2fs /dev/loop0",
      "mount the disk's file": "mount /dev/loop0 /mnt",
    }),
  );
  assert.equal(succeeded(printed), [], printed);
});

test("neither a control group nor a loop device is left of a sandbox, also when its supervisor was killed", async () => {
  const spec = newSpec("test", "sleep 1000");
  await provider.create(spec, signal());
  await observedAs(provider, spec.builder, "running");
  const groups = groupsOf(spec.builder);
  assert.equal(
    groups.filter((group) => !existsSync(group)),
    [],
  );
  const disk = join(home, "state", spec.builder, "disk");
  // The kernel adds "(deleted)" to the name of a removed file.
  const isAttached = () => execFileSync("losetup", ["--noheadings", "--output", "BACK-FILE"]).toString().includes(disk);
  assert.is(isAttached(), support.reasons.disk === undefined);
  const [pid] = readFileSync(join(home, "state", spec.builder, "supervisor"), "utf8").split(" ");
  process.kill(Number(pid), "SIGKILL");
  await observedAs(provider, spec.builder, "error");
  await provider.destroy(spec.builder, signal());
  assert.equal(groups.filter(existsSync), []);
  await until("no loop device is left", () => !isAttached());
});

test("the control groups that a killed destroy left behind are removed with the next create", async () => {
  const [left, next] = [newSpec("test", "sleep 1000"), newSpec("test", "sleep 1000")];
  await provider.create(left, signal());
  await observedAs(provider, left.builder, "running");
  const groups = groupsOf(left.builder);
  const state = join(home, "state");
  await endSandboxIn(join(state, left.builder));
  // A destroy renames the folder, and then removes the groups. This process id belongs to a process that has ended.
  const { pid } = spawnSync("true");
  const unlisted = join(state, `.unlisted-${pid}-${left.builder}`);
  await rename(join(state, left.builder), unlisted);
  assert.equal(
    groups.filter((group) => !existsSync(group)),
    [],
  );
  await provider.create(next, signal());
  assert.equal([...groups, unlisted].filter(existsSync), []);
  await provider.destroy(next.builder, signal());
});

test("a sandbox on a host with a full disk names the disk in its fault", async () => {
  const disk = join(home, "small");
  await mkdir(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=200k", "tmpfs", disk]);
  const small = new SandboxProvider({ ...OPTIONS, stateDir: join(disk, "state"), bounds: BOUNDS });
  try {
    const started = newSpec("test", "sleep 1000");
    await small.create(started, signal());
    const { fault = "" } = await observedAs(small, started.builder, "error");
    assert.match(fault, new RegExp(`the disk with ${disk}/state/\\S+ has only \\d+ KiB free`));
  } finally {
    await destroyAll(small);
    // The kernel detaches the loop device of a sandbox some milliseconds after its last process.
    execFileSync("umount", ["--lazy", disk]);
  }
});

test.run();

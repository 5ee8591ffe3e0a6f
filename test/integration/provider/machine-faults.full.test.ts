/** Faults of machines: no boot disk, a killed queue, a wrong clock, and a full disk of the host. */
// timeout: 1800 s
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../lib/core/clock.ts";
import { createLogger } from "../../../lib/core/log.ts";
import { openPool } from "../../../lib/pool/open.ts";
import { poolPolicy } from "../../../lib/pool/reconciler/policy.ts";
import { MachineProvider } from "../../../lib/provider/qemu/machine.ts";
import { listFolders } from "../../../lib/provider/sandbox/folder.ts";
import { connectCore } from "../../support/nats/core-connection.ts";
import { startPlainNats } from "../../support/nats/plain-nats.ts";
import { BuilderLife } from "../../support/queue/builder-life.ts";
import { counted, countedIn, counting, recipe } from "../../support/recipe/recipes.ts";
import { testMachineRootfs } from "../../support/rootfs.ts";
import { cleanUpWhenInterrupted, destroyAll } from "../../support/sandboxes.ts";
import { Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite("faults of machines");
const run = promisify(execFile);

/** Limit for the boot timeout of the test's policy (20 s) and the pass of the reconciler after it. */
const START_MS = 60_000;

test("the pool destroys a machine that does not boot within bootTimeoutMs, reports it and replaces it", async () => {
  const home = await mkdtemp(join(tmpdir(), "cb-faults-"));
  const [stateDir, disk] = [join(home, "state"), join(home, "disk.raw")];
  // The disk has no boot sector: the firmware prints an error and stops.
  await writeFile(disk, Buffer.alloc(1024 * 1024));
  const provider = new MachineProvider({
    ...{ stateDir, disk, rootfs: await testMachineRootfs(), installation: "i" },
    ...{ cores: 1, memoryMib: 256, diskGib: 1, acceleration: "auto", allowHostPorts: [], allowWeak: [] },
  });
  cleanUpWhenInterrupted(home, [provider]);
  const server = await startPlainNats();
  const nc = await server.connect("core");
  const policy = poolPolicy({ pool: "p", reserveTarget: 1, totalMax: 1, bootTimeoutMs: 20_000 });
  const log = createLogger({ name: "test", level: "silent" });
  const userDataFor = async () => "{}";
  const rest = { provider, policy, installation: "i", userDataFor, clock: systemClock, log };
  const pool = await openPool({ nc, replicas: 1, ...rest });
  try {
    pool.setListening(true);
    pool.start();
    const failure = await until("the pool reports the failure", async () => pool.failures()[0], START_MS);
    assert.is(failure.reason, "its agent has not asked within 20 s of its create");
    assert.match(Buffer.from(failure.printed).toString(), /machine: 1 cores, 256 MiB/);
    const next = await until("the pool creates a replacement", async () => pool.status().booting[0], START_MS);
    assert.is.not(next.builder, failure.builder);
    assert.not.ok((await listFolders(stateDir)).includes(failure.builder));
  } finally {
    await pool.stop();
    await nc.close();
    await server.stop();
    await destroyAll(provider);
    await rm(home, { recursive: true, force: true });
  }
});

test("a restarted queue adopts the machine that builds and the machine that boots, and leaves none behind", async () => {
  const stack = await Stack.start("qemu");
  const core = await connectCore(stack);
  const life = await BuilderLife.watch(core);
  try {
    const machines = () => listFolders(stack.statePath("sandboxes"));
    const leased = life.next("leased");
    const building = stack.start("container-builder", [stack.path("x.sif"), counting(stack, "x", 300)]);
    const builder = await leased;
    const other = async () => (await machines()).find((id) => id !== builder);
    const starting = await until("another machine is created", other, START_MS);
    await building.seen(/line 3\r?\n/);
    await stack.queueEnds("SIGKILL");
    assert.equal((await machines()).sort(), [builder, starting].sort());
    await stack.up("qemu");
    const { code, stdout, stderr } = await building.finished;
    assert.is(code, 0, stderr);
    assert.equal(countedIn(stdout), counted(300));
    await life.reached(builder, "gone");
    assert.equal(await machines(), [starting]);
  } finally {
    await life.close();
    await core.close();
    await stack.stop();
  }
});

test("a builder with a clock that is five minutes wrong stays ready, builds, and delivers its image", async () => {
  const stack = await Stack.start("qemu");
  try {
    for (const [name, seconds] of [
      ["ahead", 300],
      ["behind", -300],
    ] as const) {
      // The build takes longer than three parked requests of the agent.
      const path = recipe(stack, name, "    sleep 40");
      const text = await readFile(path, "utf8");
      const set = `was=$(date +%s); date -s "@$((was + ${seconds}))"; echo "set by $(($(date +%s) - was)) s"`;
      await writeFile(
        path,
        text.replace("\n%setup\n", () => `\n%setup\n    ${set}\n`),
      );
      const { code, stdout, stderr } = await stack.run("container-builder", [stack.path(`${name}.sif`), path]);
      assert.is(code, 0, stdout.slice(-2000) + stderr);
      const setBy = Number(/^set by (-?\d+) s/m.exec(stdout)?.[1]);
      assert.ok(Math.abs(setBy - seconds) < 30, `the clock was changed by ${setBy} s`);
      assert.not.match(stderr, /Attempt 2/);
    }
  } finally {
    await stack.stop();
  }
});

/** Needs root to mount a small file system. */
test("a full disk of the host makes a build lost and names the disk, not the recipe", async () => {
  const stack = Stack.unstarted();
  const machines = stack.statePath("sandboxes");
  await mkdir(machines, { recursive: true, mode: 0o700 });
  await run("mount", ["-t", "tmpfs", "-o", "size=200m,mode=0700", "tmpfs", machines]);
  try {
    await stack.up("qemu");
    const large = recipe(stack, "large", "    dd if=/dev/zero of=/large bs=1M count=400 conv=fsync");
    const { code, stdout, stderr } = await stack.run("container-builder", [stack.path("x.sif"), large]);
    assert.is(code, 75, stdout.slice(-2000) + stderr);
    assert.match(stderr, /the builder's disk failed \(is its host's disk full\?\): I\/O error, dev vda/);
    assert.match(stderr, /^Attempt 2: builder cb-\w+ was lost: /m);
  } finally {
    await stack.run("cb-local", ["down"]);
    await run("umount", ["--lazy", machines]);
    await stack.stop();
  }
});

test.run();

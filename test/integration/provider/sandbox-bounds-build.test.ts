/** Builds that need more than their sandbox has: memory, disk space, or the right to make devices. Their callers read which it was. */
// slow: starts a local stack and two queues.
import { writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { destroyAllSandboxes } from "../../../lib/provider/sandbox/folder.ts";
import { hostSupport } from "../../../lib/provider/sandbox/host-support.ts";
import { busyboxLayer } from "../../support/oci/busybox-layer.ts";
import { writeOciArchive } from "../../support/oci/oci-image.ts";
import { queueWith, stopped } from "../../support/queue/own-queue.ts";
import { type Finished, type Running, Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack; queue: Running }>("builds that need more than a sandbox has");
const { reasons } = await hostSupport();

test.before(async (context) => {
  context.stack = await Stack.start();
  const { stack } = context;
  writeOciArchive(stack.path("base.tar"), [await busyboxLayer()]);
  await stack.queueEnds("SIGTERM");
  // The reserve of the first queue has other bounds.
  await destroyAllSandboxes(stack.statePath("sandboxes"));
  context.queue = await queueWith(stack, ({ pools }) => {
    for (const { provider } of pools) Object.assign(provider, { memoryMiB: 400, diskGiB: 2 });
  });
});
test.after(async ({ stack, queue }) => {
  await stopped(queue);
  await stack.stop();
});

function build(stack: Stack, name: string, post: string): Promise<Finished> {
  const recipe = `Bootstrap: oci-archive\nFrom: ${stack.path("base.tar")}\n\n%post\n${post}\n`;
  writeFileSync(stack.path(`${name}.def`), recipe);
  return stack.run("container-builder", [stack.path(`${name}.sif`), stack.path(`${name}.def`)]);
}

test("a recipe that takes all memory fails with the limit, and its builder is not lost", async ({ stack }) => {
  const { code, stdout, stderr } = await build(stack, "memory", "    head -c 2000000000 /dev/zero | tail");
  assert.is(code, 1, stdout + stderr);
  if (reasons.memory === undefined) assert.match(stderr, "the builder's memory limit of 400 MiB ended");
  assert.not.match(stdout + stderr, "Attempt 2");
});

test("a recipe that fills the disk fails with its size", async ({ stack }) => {
  const { code, stdout, stderr } = await build(stack, "disk", "    dd if=/dev/zero of=/full bs=1M count=3000");
  assert.is(code, 1, stdout + stderr);
  if (reasons.disk === undefined)
    assert.match(stderr, /the build has filled the builder's disk of \d\.\d GiB/, stdout.slice(-2000));
});

test("a %setup that makes a device fails with the reason and the remedy", async ({ stack }) => {
  const recipe = 'Bootstrap: scratch\n\n%setup\n    mknod "$APPTAINER_ROOTFS/null" c 1 3\n';
  writeFileSync(stack.path("device.def"), recipe);
  const { code, stderr } = await stack.run("container-builder", [stack.path("device.sif"), stack.path("device.def")]);
  assert.is(code, 1, stderr);
  assert.match(stderr, "builders in a sandbox have no right to make device files (mknod)");
});

test("the queue's log and cb-queue --check name the bounds, and without the rights the reason and the remedy", async ({
  stack,
  queue,
}) => {
  const line = /pool local: (a sandbox gets at most|NOT bounded on this host)/;
  await queue.seen(line);
  const check = ["--check", "--config", stack.path("queue.yaml")];
  const { code, stdout } = await stack.run("cb-queue", check);
  assert.is(code, 0);
  assert.match(stdout, line);
  const withoutRights = await stack.runInShell('exec setpriv --bounding-set=-sys_admin "$@"', "cb-queue", check);
  assert.is(withoutRights.code, 0);
  assert.match(
    withoutRights.stdout,
    /NOT bounded on this host: memory \([^)]*run cb-queue as root[^)]*\); disk space \(/,
  );
});

test.run();

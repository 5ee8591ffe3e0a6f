/** A whole build on a virtual machine of the local stack, emulated when the host has no KVM. */
// slow: boots an emulated machine.
// timeout: 900 s
// alone: an emulated machine uses both cores for half a minute, which would slow other tests down
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { StatusReply } from "../../../lib/protocol/status-messages.ts";
import { runImageInSandbox } from "../../../lib/provider/sandbox/run.ts";
import { HELLO } from "../../support/recipe/recipes.ts";
import { testRootfs } from "../../support/rootfs.ts";
import { Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("a build on a machine");

test.before(async (context) => {
  context.stack = await Stack.start("qemu");
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

test("container-builder builds on a machine that cb-admin shows with its console, and the image runs", async ({
  stack,
}) => {
  // This is the machine of the reserve, which the build gets. Its successor still boots when the build ends.
  const { stdout } = await stack.run("cb-admin", ["builders", "--console", "60"]);
  assert.match(stdout, /machine: 2 cores, 2048 MiB, a disk of 20 GiB/);
  assert.match(stdout, /^ {4}image: [0-9a-f]{16}: apptainer .* linux \d/m);
  const image = stack.path("hello.sif");
  const built = await stack.run("container-builder", [image, HELLO]);
  assert.is(built.code, 0, built.stdout + built.stderr);
  // The recipe prints the builder's host name, which debootstrap would copy into an image.
  assert.match(built.stdout, /building as root, uid 0, on container-builder\s/);
  const run = await runImageInSandbox(image, { rootfs: await testRootfs(), stdio: "pipe" });
  assert.is(run.code, 0, run.stderr);
});

test("cb-local up refuses sandboxes while a stack of machines runs", async ({ stack }) => {
  const { code, stderr } = await stack.run("cb-local", ["up"]);
  assert.is(code, 64, stderr);
  assert.match((await stack.run("cb-local", ["status"])).stdout, /\nbuilders: +qemu\n/);
  assert.match(stderr, /is up with builders of the kind qemu, not sandbox\n.*cb-local down/);
  const { pools } = JSON.parse((await stack.run("cb-status", ["--json"])).stdout) as StatusReply;
  assert.equal(
    pools.map(({ name }) => name),
    ["local"],
  );
});

test.run();

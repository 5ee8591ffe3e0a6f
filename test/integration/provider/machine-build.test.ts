/** A whole build on a virtual machine of the local stack, emulated where the computer has no KVM. */
// timeout: 900 s
// alone: an emulated machine takes both cores for half a minute, and others would wait for it
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

test("a machine's console and the queue say what it is, container-builder builds the example on it, and the image runs", async ({
  stack,
}) => {
  // The machine of the reserve, which the build takes; its successor has yet to boot when that is over.
  const { stdout } = await stack.run("cb-admin", ["builders", "--console", "60"]);
  assert.match(stdout, /machine: 2 cores, 2048 MiB, a disk of 20 GiB/);
  assert.match(stdout, /^ {4}image: [0-9a-f]{16}: apptainer .* linux \d/m);
  const image = stack.path("hello.sif");
  const built = await stack.run("container-builder", [image, HELLO]);
  assert.is(built.code, 0, built.stdout + built.stderr);
  const run = await runImageInSandbox(image, { rootfs: await testRootfs(), stdio: "pipe" });
  assert.is(run.code, 0, run.stderr);
});

test("a stack of machines is not brought up as one of sandboxes", async ({ stack }) => {
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

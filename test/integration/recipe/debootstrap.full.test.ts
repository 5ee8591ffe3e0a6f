/** Builds a distribution from its mirror with one more package, as users do. Takes a minute or two. */
// timeout: 900 s
import { writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hostAptSettings } from "../../../lib/provider/sandbox/apt-settings.ts";
import { runImageInSandbox } from "../../../lib/provider/sandbox/run.ts";
import { testRootfs } from "../../support/rootfs.ts";
import { Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("debootstrap");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

test("a Debian image from a mirror runs the package that %post installed", async ({ stack }) => {
  const { mirror } = await hostAptSettings();
  const recipe = `Bootstrap: debootstrap
OSVersion: trixie
MirrorURL: ${mirror}

%post
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends bc
    apt-get clean

%runscript
    echo "6 * 7" | bc
`;
  writeFileSync(stack.path("debian.def"), recipe);
  const image = stack.path("debian.sif");
  const built = await stack.run("container-builder", [image, stack.path("debian.def")]);
  assert.is(built.code, 0, built.stdout.slice(-2000) + built.stderr);
  assert.match(built.stdout, /Setting up bc/);
  const run = await runImageInSandbox(image, { rootfs: await testRootfs(), stdio: "pipe" });
  assert.is(run.stdout.trim(), "42", run.stderr);
});

test.run();

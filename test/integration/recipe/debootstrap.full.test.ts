/** Builds a distribution from its mirror with one more package, as users do, and then again from the tree of the queue. Takes minutes. */
// timeout: 900 s
import { writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hostAptSettings } from "../../../lib/provider/sandbox/apt-settings.ts";
import { runImageInSandbox, runInSandbox } from "../../../lib/provider/sandbox/run.ts";
import { BOOTSTRAP_USER } from "../../../lib/queue/bootstraps/decide.ts";
import { queueWith, stopped } from "../../support/queue/own-queue.ts";
import { testRootfs } from "../../support/rootfs.ts";
import { type Running, Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite<{ stack: Stack; queue: Running }>("debootstrap");

test.before(async (context) => {
  const { mirror } = await hostAptSettings();
  context.stack = await Stack.start();
  await context.stack.queueEnds("SIGTERM");
  context.queue = await queueWith(context.stack, (config) => {
    config.bootstraps = { mirrors: [mirror] };
  });
});
test.after(async ({ stack, queue }) => {
  if (queue !== undefined) await stopped(queue);
  await stack?.stop();
});

/** Builds the image of that name, and returns the output. */
async function build(stack: Stack, name: string): Promise<string> {
  const { mirror } = await hostAptSettings();
  const recipe = `Bootstrap: debootstrap
OSVersion: trixie
MirrorURL: ${mirror}
Include: ca-certificates

%post
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends bc
    apt-get clean

%runscript
    echo "6 * 7" | bc
`;
  writeFileSync(stack.path("debian.def"), recipe);
  const image = stack.path(name);
  const built = await stack.run("container-builder", [image, stack.path("debian.def")]);
  assert.is(built.code, 0, built.stdout.slice(-2000) + built.stderr);
  assert.match(built.stdout, /Setting up bc/);
  const run = await runImageInSandbox(image, { rootfs: await testRootfs(), stdio: "pipe" });
  assert.is(run.stdout.trim(), "42", run.stderr);
  return built.stdout;
}

const RETRIEVING = /I: Retrieving/;
const RESTORED = /container-builder: using the packed Debian trixie tree of \d\d:\d\d UTC/;

/** Each file of the image with kind, permissions, owner, device numbers, target and content; without times. */
async function contentOf(image: string): Promise<string[]> {
  const script = `set -e
offset=$(apptainer sif list /image.sif | sed -n 's/.*|\\([0-9]*\\)-[0-9]* *|FS .*/\\1/p')
unsquashfs -quiet -no-progress -offset "$offset" -dest /tree /image.sif >/dev/null
cd /tree
find . -printf '%p %M %U %G %l\\n' | sort
find . -type f -exec sha256sum {} + | sort -k2`;
  const binds = [{ from: image, to: "/image.sif" }];
  const options = { rootfs: await testRootfs(), binds, stdio: "pipe" } as const;
  const { code, stdout, stderr } = await runInSandbox({ ...options, command: ["bash", "-c", script] });
  assert.is(code, 0, stderr);
  return stdout.trim().split("\n");
}

/** Files that have times in them, or were made in an order of their own: they differ between two runs of debootstrap, too. */
const WITH_TIMES = /\/(?:var\/log\/|var\/cache\/ldconfig\/aux-cache|\.singularity\.d\/labels\.json)/;

test("a Debian image from a mirror runs the package that %post installed", async ({ stack }) => {
  assert.match(await build(stack, "first.sif"), RETRIEVING);
});

test("the next build with the same header runs no debootstrap, and its image has the same files", async ({ stack }) => {
  const hasTree = async () => {
    const { stdout } = await stack.run("cb-admin", ["builds", "--json"]);
    const { builds } = JSON.parse(stdout) as { builds: readonly { user: string; state: string }[] };
    return builds.some(({ user, state }) => user === BOOTSTRAP_USER && state === "succeeded");
  };
  await until("the packed tree", hasTree, 300_000);
  const output = await build(stack, "second.sif");
  assert.match(output, RESTORED);
  assert.not.match(output, RETRIEVING);
  const [first, second] = await Promise.all(["first.sif", "second.sif"].map((name) => contentOf(stack.path(name))));
  const plain = (lines: readonly string[] = []) => lines.filter((line) => !WITH_TIMES.test(line));
  assert.equal(plain(second), plain(first));
});

test.run();

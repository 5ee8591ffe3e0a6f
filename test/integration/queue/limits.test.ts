/** An image or log over the limit, and a full disk of the caller: the message has the numbers and a hint. */
// slow: builds that reach their limits.
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { queueWith, stopped } from "../../support/queue/own-queue.ts";
import { recipe, uncompressed } from "../../support/recipe/recipes.ts";
import { type Running, Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack; queue: Running }>("limits");

const MIB = 1024 ** 2;
const LOG_MIB = 1;
const IMAGE_MIB = 16;

test.before(async (world) => {
  world.stack = await Stack.start();
  await world.stack.queueEnds("SIGTERM");
  world.queue = await queueWith(world.stack, (config) => {
    config.limits.logMiB = LOG_MIB;
    config.limits.imageMiB = IMAGE_MIB;
  });
});
test.after(async ({ stack, queue }) => {
  if (queue !== undefined) await stopped(queue);
  await stack?.stop();
});

/** A recipe for an image that is a little larger than that. */
const imageOf = (stack: Stack, name: string, mib: number): string =>
  uncompressed(recipe(stack, name, `    dd if=/dev/urandom of=/large bs=1M count=${mib} 2>/dev/null`));

test("an image over the limit fails the build with its size and the limit, and leaves no file", async ({ stack }) => {
  mkdirSync(stack.path("over"));
  const path = imageOf(stack, "over", IMAGE_MIB);
  const { code, stderr } = await stack.run("container-builder", [stack.path("over", "x.sif"), path]);
  assert.is(code, 1, stderr);
  const [, bytes] = /the build failed: the image has (\d+) bytes; at most 16777216 are allowed$/m.exec(stderr) ?? [];
  assert.ok(Number(bytes) > IMAGE_MIB * MIB, stderr);
  assert.equal(readdirSync(stack.path("over")), []);
});

test("output over the limit fails the build with the limit and a hint; all output up to it arrives", async ({
  stack,
}) => {
  const path = recipe(stack, "noisy", "    dd if=/dev/urandom bs=1M count=2 2>/dev/null\n    sleep 600");
  const { code, bytes, stderr } = await stack.run("container-builder", [stack.path("noisy.sif"), path]);
  assert.is(code, 1, stderr);
  assert.match(
    stderr,
    /the build failed: the build printed more than 1048576 bytes: let the commands of the recipe print less/,
  );
  assert.is(bytes.length, LOG_MIB * MIB);
});

test("a disk that is full half way gives 73 with path and hint and leaves no file; cb-attach then fetches the image", async ({
  stack,
}) => {
  const folder = stack.path("small");
  mkdirSync(folder);
  const image = stack.path("small", "x.sif");
  const inSmall = `unshare -rm sh -c 'mount -t tmpfs -o size=4m small ${folder} && "$@"; code=$?; ls -A ${folder}; exit $code' sh "$@"`;
  const full = await stack.runInShell(inSmall, "container-builder", [image, imageOf(stack, "small", 12)]);
  assert.is(full.code, 73, full.stderr);
  const [, hint, id = ""] =
    /cannot write \S+small\/x.sif \(ENOSPC\)\n {2}(.*) fetch it with: cb-attach ([0-9a-f-]{36})$/m.exec(full.stderr) ??
    [];
  assert.match(
    hint ?? full.stderr,
    "free some space there, or choose another directory; the queue keeps the image for a while",
  );
  assert.not.match(full.stdout, /^\.|x\.sif/m, "the listing at the end is empty");
  const attached = await stack.run("cb-attach", [id, image]);
  assert.is(attached.code, 0, attached.stderr);
  assert.ok(statSync(image).size > 12 * MIB);
  assert.equal(readdirSync(folder), ["x.sif"]);
});

test.run();

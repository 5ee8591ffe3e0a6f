/** The memory of the programs does not grow with gigabytes of context files and image. */
// alone: it measures memory, and uses the disk heavily.
// timeout: 1800 s
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { appendFileSync, createWriteStream, statSync } from "node:fs";
import { finished } from "node:stream/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertPeaks, daemonsOf, PeakMemory } from "../../support/peak-memory.ts";
import { recipe, uncompressed } from "../../support/recipe/recipes.ts";
import { Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("large");

const MIB = 1024 ** 2;
const CONTEXT_MIB = Number(process.env.LARGE_CONTEXT ?? 2048);

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

/** Writes random bytes, which cannot be stored sparsely or compressed. Returns their SHA-256. */
async function randomFile(path: string, mib: number): Promise<string> {
  const file = createWriteStream(path);
  const sha256 = createHash("sha256");
  for (let at = 0; at < mib; at += 16) {
    const block = randomBytes(Math.min(16, mib - at) * MIB);
    sha256.update(block);
    if (!file.write(block)) await once(file, "drain");
  }
  file.end();
  await finished(file);
  return sha256.digest("hex");
}

test("a context of 2 GiB is sent and an image of 4 GiB is received in constant memory", async ({ stack }) => {
  const digest = await randomFile(stack.path("large.bin"), CONTEXT_MIB);
  const path = uncompressed(recipe(stack, "large", "    sha256sum /large.bin\n    cat /large.bin > /again"));
  appendFileSync(path, "\n%files\n    large.bin /large.bin\n");
  const client = stack.start("container-builder", [stack.path("large.sif"), path]);
  const memory = new PeakMemory({
    ...daemonsOf(stack),
    client: async () => (client.pid === undefined ? [] : [client.pid]),
  });
  const { code, stdout, stderr } = await client.finished;
  const peaks = await memory.stop();
  assert.is(code, 0, stderr);
  process.stderr.write(stderr);
  assert.match(stdout, digest);
  assert.ok(statSync(stack.path("large.sif")).size > 2 * CONTEXT_MIB * MIB);
  assertPeaks(peaks);
});

test.run();

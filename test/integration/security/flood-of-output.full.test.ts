/** A build prints 500 MB: all of it arrives, and backpressure holds it where it should. */
// alone: it measures memory.
// timeout: 900 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findNatsServer } from "../../../infra/nats/server.ts";
import { buildStream } from "../../../lib/protocol/subjects.ts";
import { connectCore } from "../../support/nats/core-connection.ts";
import { outageOf } from "../../support/pauses.ts";
import { assertPeaks, daemonsOf, PeakMemory } from "../../support/peak-memory.ts";
import { queueWith, stopped } from "../../support/queue/own-queue.ts";
import { MarkedBytes } from "../../support/recipe/marked-bytes.ts";
import { recipe, uncompressed } from "../../support/recipe/recipes.ts";
import { sendSignal } from "../../support/send-signal.ts";
import { type Running, Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite<{ stack: Stack; queue: Running }>("flood");

const BYTES = 500 * 1000 * 1000;
const LIMIT_MS = 300_000;

test.before(async (world) => {
  world.stack = await Stack.start();
  await world.stack.queueEnds("SIGTERM");
  world.queue = await queueWith(world.stack, (config) => {
    config.limits.logMiB = 1024;
  });
});
test.after(async ({ stack, queue }) => {
  if (queue !== undefined) await stopped(queue);
  await stack?.stop();
});

/** A recipe that prints the SHA-256 of random bytes, then the bytes, and removes them. */
const flood = (stack: Stack, name: string): string =>
  uncompressed(
    recipe(
      stack,
      name,
      `    dd if=/dev/urandom of=/flood bs=1000000 count=${BYTES / 1_000_000} 2>/dev/null
    set +x
    sha256sum /flood
    printf 'begin:'; cat /flood; echo :end
    rm /flood`,
    ),
  );

test("500 MB of output arrive unchanged while NATS is frozen and the client does not read, and no program's memory grows", async ({
  stack,
  queue,
}) => {
  const client = stack.spawn("container-builder", [stack.path("flood.sif"), flood(stack, "flood")]);
  const memory = new PeakMemory({
    ...daemonsOf(stack, () => queue.pid),
    client: async () => (client.pid === undefined ? [] : [client.pid]),
  });
  const ended = new Promise<number | null>((resolve) => client.once("close", resolve));
  let stderr = "";
  client.stderr.on("data", (text: Buffer) => {
    stderr += text.toString();
  });
  const output = new MarkedBytes("begin:", BYTES);
  let beginning = "";
  client.stdout.on("data", (chunk: Buffer) => {
    if (beginning.length < 8192) beginning += chunk.toString("latin1");
    output.add(chunk);
  });
  const build = await until("the build's id", () => /^Build ID: (\S+)$/m.exec(stderr)?.[1], LIMIT_MS);
  const core = await connectCore(stack);
  const manager = await core.jetstreamManager();
  const storedBytes = async () => (await manager.streams.info(buildStream(build))).state.bytes;
  await until("some of it is stored", async () => (await storedBytes()) > 0.2 * BYTES, LIMIT_MS);
  client.stdout.pause();
  const server = await findNatsServer(stack.statePath("nats"));
  sendSignal("NATS", server?.pid, "SIGSTOP");
  await outageOf(5_000);
  sendSignal("NATS", server?.pid, "SIGCONT");
  await until("all is stored, although the client does not read", async () => (await storedBytes()) > BYTES, LIMIT_MS);
  assert.ok(output.bytes < BYTES, "the reader is behind");
  client.stdout.resume();
  assert.is(await ended, 0, stderr);
  const peaks = await memory.stop();
  await core.close();
  assert.is(output.bytes, BYTES);
  assert.is(output.digest(), /\n([0-9a-f]{64}) {2}\/flood\n/.exec(beginning)?.[1]);
  assertPeaks(peaks);
});

test.run();

/** A client that loses its network for a while receives the missed output and image, in order. */
import { existsSync, mkdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findNatsServer } from "../../../infra/nats/server.ts";
import { startCuttingProxy } from "../../support/nats/cutting-proxy.ts";
import { clientAt } from "../../support/nats/proxied-client.ts";
import { recipe, uncompressed } from "../../support/recipe/recipes.ts";
import { Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("lost network");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

test("a client that loses its network during the log and again during the image receives both completely", async ({
  stack,
}) => {
  const server = await findNatsServer(stack.statePath("nats"));
  const proxy = await startCuttingProxy(server?.port ?? 0);
  const path = recipe(
    stack,
    "lost",
    "    seq 1 50000\n    echo half of it\n    sleep 15\n    seq 50001 100000\n    dd if=/dev/urandom of=/large bs=1M count=100 2>/dev/null",
  );
  mkdirSync(stack.path("lost"));
  const image = stack.path("lost", "x.sif");
  const client = stack.start("container-builder", [image, uncompressed(path)], { env: clientAt(stack, proxy.port) });
  await client.seen(/half of it\n/);
  proxy.refuse();
  await client.seen(/NATS does not answer/);
  proxy.admit();
  // The recipe sleeps longer than this takes, so the image has not been sent yet.
  await client.seen(/NATS answers again/);
  await stack.fileIn("lost");
  assert.not.ok(existsSync(image), "the image is in transfer");
  proxy.refuse();
  await client.seen(/NATS answers again[\s\S]*NATS does not answer/);
  proxy.admit();
  const { code, stdout, stderr } = await client.finished;
  await proxy.stop();
  assert.is(code, 0, stderr);
  const numbers = stdout.split("\n").filter((line) => /^\d+$/.test(line));
  assert.equal(
    numbers,
    Array.from({ length: 100_000 }, (_, index) => `${index + 1}`),
  );
  assert.ok(existsSync(image));
});

test.run();

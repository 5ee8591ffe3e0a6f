/** Ctrl-C at each stage of a build: exit code 130, no file, and the builder is destroyed. */
// slow: a build for each stage.
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { INLINE_CONTEXT_MAX_BYTES } from "../../../lib/protocol/build-messages.ts";
import type { StatusReply } from "../../../lib/protocol/status-messages.ts";
import { endless, HELLO, recipe, uncompressed } from "../../support/recipe/recipes.ts";
import { Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("cancel");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

async function status(stack: Stack): Promise<StatusReply> {
  return JSON.parse((await stack.run("cb-status", ["--json"])).stdout) as StatusReply;
}

/** The names in the folder of a build's image. */
const filesIn = (stack: Stack, folder: string) => readdirSync(stack.path(folder));

test("Ctrl-C while the recipe runs cancels the build: exit code 130, no file, the builder is destroyed", async ({
  stack,
}) => {
  mkdirSync(stack.path("cancelled"));
  const running = stack.start("container-builder", [stack.path("cancelled", "x.sif"), endless(stack, "endless")]);
  await running.seen(/it has begun/);
  const [before] = (await status(stack)).pools;
  const active = before?.builders.filter(({ state }) => state === "leased") ?? [];
  assert.is(active.length, 1);
  running.kill("SIGINT");
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
  assert.match(stderr, /Cancelling the build: Completed/);
  assert.equal(filesIn(stack, "cancelled"), []);
  const [after] = (await status(stack)).pools;
  assert.not.ok(after?.builders.some(({ id, state }) => id === active[0]?.id && state !== "destroying"));
});

test("Ctrl-C while the build waits cancels it, and it gets no builder", async ({ stack }) => {
  const holding = endless(stack, "holding");
  const holders = Array.from({ length: 4 }, (_, n) =>
    stack.start("container-builder", [stack.path(`h${n}.sif`), holding]),
  );
  await Promise.all(holders.map((holder) => holder.seen(/it has begun\n/)));
  const waiting = stack.start("container-builder", [stack.path("waiting.sif"), holding]);
  await waiting.seen(/Requesting remote builder: 1 of \d+, you have 4 running builds/);
  waiting.kill("SIGINT");
  const { code, stdout } = await waiting.finished;
  assert.is(code, 130);
  assert.is(stdout, "");
  assert.is((await status(stack)).builds.waiting, 0);
  for (const holder of holders) holder.kill("SIGINT");
  assert.equal(
    (await Promise.all(holders.map(({ finished }) => finished))).map(({ code }) => code),
    [130, 130, 130, 130],
  );
});

test("Ctrl-C while the image is transferred removes the partial file, and cb-attach fetches the image", async ({
  stack,
}) => {
  mkdirSync(stack.path("uploading"));
  const large = uncompressed(recipe(stack, "large", "    dd if=/dev/urandom of=/large bs=1M count=300 2>/dev/null"));
  const running = stack.start("container-builder", [stack.path("uploading", "x.sif"), large]);
  await running.seen(/Build complete/);
  await stack.fileIn("uploading");
  running.kill("SIGINT");
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
  assert.equal(filesIn(stack, "uploading"), []);
  const [, build = ""] = /fetch x\.sif with: cb-attach (\S+)/.exec(stderr) ?? [];
  const attached = await stack.run("cb-attach", [build, stack.path("uploading", "x.sif")]);
  assert.is(attached.code, 0, attached.stderr);
  assert.equal(filesIn(stack, "uploading"), ["x.sif"]);
});

test("Ctrl-C before the queue has replied cancels the build as soon as it replies", async ({ stack }) => {
  mkdirSync(stack.path("reserving"));
  const { pid } = JSON.parse(readFileSync(stack.statePath("queue.pid"), "utf8")) as { pid: number };
  process.kill(pid, "SIGSTOP");
  try {
    const running = stack.start("container-builder", [stack.path("reserving", "x.sif"), HELLO]);
    await running.seen(/Connected to queue/);
    running.kill("SIGINT");
    await running.seen(/Cancelling the build: .*retrying/);
    process.kill(pid, "SIGCONT");
    const { code, stderr } = await running.finished;
    assert.is(code, 130, stderr);
    assert.match(stderr, /Cancelling the build: Completed|cancelled before it began/);
  } finally {
    process.kill(pid, "SIGCONT");
  }
  const { builds } = await status(stack);
  assert.equal(builds, { waiting: 0, running: 0 });
  assert.equal(filesIn(stack, "reserving"), []);
});

test("a hang-up before the queue has replied does not leave a build without its context", async ({ stack }) => {
  mkdirSync(stack.path("hung-up"));
  // Larger than a context that is sent inside the request.
  writeFileSync(stack.path("data"), randomBytes(2 * INLINE_CONTEXT_MAX_BYTES));
  writeFileSync(stack.path("data.def"), `Bootstrap: scratch\n%files\n    ${stack.path("data")} /data\n`);
  const { pid } = JSON.parse(readFileSync(stack.statePath("queue.pid"), "utf8")) as { pid: number };
  process.kill(pid, "SIGSTOP");
  try {
    const running = stack.start("container-builder", [stack.path("hung-up", "x.sif"), stack.path("data.def")]);
    await running.seen(/Connected to queue/);
    running.kill("SIGHUP");
    await running.seen(/retrying/);
    process.kill(pid, "SIGCONT");
    const { code, stderr } = await running.finished;
    assert.is(code, 130, stderr);
    assert.match(stderr, /Sending build context: Completed, 1 file/);
    assert.match(stderr, /the terminal was closed/);
  } finally {
    process.kill(pid, "SIGCONT");
  }
});

test.run();

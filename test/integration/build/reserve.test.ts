/** The reserve of builders: created, leased, refilled, destroyed after one build, replaced when lost, never above the maximum. */
// slow: a dozen builds, five of them at once.
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openInstallation } from "../../../infra/nats/installation.ts";
import type { StatusReply } from "../../../lib/protocol/status-messages.ts";
import { patterns } from "../../../lib/protocol/subjects.ts";
import { readSupervisor } from "../../../lib/provider/sandbox/folder.ts";
import { connectCore, stackConfig } from "../../support/nats/core-connection.ts";
import { plainClient } from "../../support/nats/plain-client.ts";
import { BuilderLife } from "../../support/queue/builder-life.ts";
import { HELLO } from "../../support/recipe/recipes.ts";
import { sendSignal } from "../../support/send-signal.ts";
import { Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack; core: NatsConnection; life: BuilderLife }>("reserve");

test.before(async (context) => {
  context.stack = await Stack.start();
  context.core = await connectCore(context.stack);
  context.life = await BuilderLife.watch(context.core);
});
test.after(async ({ stack, core, life }) => {
  await life?.close();
  await core?.close();
  await stack?.stop();
});

async function status(stack: Stack): Promise<StatusReply> {
  return JSON.parse((await stack.run("cb-status", ["--json"])).stdout) as StatusReply;
}

async function ready(stack: Stack): Promise<string[]> {
  const { pools } = await status(stack);
  return (pools[0]?.builders ?? []).filter(({ state }) => state === "ready").map(({ id }) => id);
}

/** Kills the first process of a builder's sandbox, which ends the machine at once. */
async function killBuilder(stack: Stack, builder: string): Promise<void> {
  const supervisor = await readSupervisor(stack.statePath("sandboxes", builder));
  sendSignal("the builder's sandbox", supervisor?.pid, "SIGKILL");
}

test("each build gets a separate builder, which is destroyed afterwards, and the reserve is refilled", async ({
  stack,
  life,
}) => {
  const builders: string[] = [];
  for (let n = 0; n < 2; n++) {
    const leased = life.next("leased");
    const built = await stack.run("container-builder", ["--force", stack.path("own.sif"), HELLO]);
    assert.is(built.code, 0, built.stderr);
    builders.push(await leased);
  }
  assert.is(new Set(builders).size, 2);
  for (const builder of builders) await life.reached(builder, "gone");
  await life.settled(2);
  const reserve = await ready(stack);
  assert.is(reserve.length, 2);
  assert.not.ok(builders.some((builder) => reserve.includes(builder)));
});

test("five builds at once use at most four builders, and all succeed", async ({ stack, life }) => {
  life.resetPeak();
  const images = Array.from({ length: 5 }, (_, n) => stack.path(`many-${n}.sif`));
  const built = await Promise.all(images.map((image) => stack.run("container-builder", [image, HELLO])));
  assert.equal(
    built.map(({ code }) => code),
    [0, 0, 0, 0, 0],
    built.map(({ stderr }) => stderr).join("\n"),
  );
  assert.ok(life.peak <= 4, `${life.peak} builders existed at once`);
  assert.ok(life.peak > 2, "the reserve is refilled while builds run");
});

test("a ready builder that is killed is replaced", async ({ stack, life }) => {
  await life.settled(2);
  const [lost = ""] = await ready(stack);
  await killBuilder(stack, lost);
  await life.reached(lost, "gone");
  await life.settled(2);
  assert.not.ok((await ready(stack)).includes(lost));
});

test("an operator receives the output of every build with a plain NATS client", async ({ stack }) => {
  const installation = await openInstallation(stack.statePath("installation"));
  if (installation === undefined) throw new Error("no installation");
  const { caFile, operatorCreds } = installation.files;
  const port = Number(new URL(stackConfig(stack).url).port);
  const operator = await plainClient({ port, caFile, serverName: installation.serverName, credsFile: operatorCreds });
  await operator.subscribe(patterns.log);
  const built = await stack.run("container-builder", ["--force", stack.path("read.sif"), HELLO]);
  assert.is(built.code, 0, built.stderr);
  assert.is(Buffer.concat(operator.messages.map(({ data }) => data)).toString(), built.stdout);
  operator.close();
});

test("the queue answers PING and INFO of the NATS service protocol", async ({ core }) => {
  const client = core.services.client();
  for await (const { name } of await client.ping("container-builder-queue")) assert.is(name, "container-builder-queue");
  for await (const { name } of await client.info("container-builder-queue")) assert.is(name, "container-builder-queue");
});

test.run();

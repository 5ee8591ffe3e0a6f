// slow: it builds while the NATS server is exchanged
// timeout: 400 s
/** The one NATS server is exchanged for an empty one while a build writes all the time. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildsReply } from "../../../lib/protocol/builds-messages.ts";
import { exchangeNats } from "../../support/backup/exchange-nats.ts";
import { endWriting, writing, writtenIn } from "../../support/recipe/recipes.ts";
import { type OnTerminal, Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack; build: OnTerminal }>("an exchange of the NATS server");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

/** Resolves when the caller has seen more lines than now. */
async function seesMore(build: OnTerminal): Promise<void> {
  const now = writtenIn(await build.seen(/line 1\r*\n/)).length;
  await build.seen(new RegExp(`line ${now + 20}\\r*\\n`));
}

async function succeeds(stack: Stack, program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await stack.run(program, args);
  assert.is(code, 0, `${program} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

test("builds are suspended only while no queue runs", async (context) => {
  const { stack } = context;
  context.build = stack.startOnTerminal("container-builder", [
    stack.path("image.sif"),
    writing(stack, "writing", 0.05),
  ]);
  await seesMore(context.build);
  const refused = await stack.run("cb-admin", ["backup", "--suspend", stack.path("refused")]);
  assert.is(refused.code, 64);
  assert.match(refused.stderr, "cb-queue, or another restore, is running");
  await seesMore(context.build);
});

test("a suspended build goes on when the queue starts after all", async ({ stack, build }) => {
  await stack.queueEnds("SIGTERM");
  await succeeds(stack, "cb-admin", "backup", "--suspend", stack.path("unused"));
  await stack.up();
  await seesMore(build);
});

test("a build that writes all the time goes on on the new server, in its first attempt, with each line once", async ({
  stack,
  build,
}) => {
  await stack.queueEnds("SIGTERM");
  await succeeds(stack, "cb-admin", "backup", "--suspend", stack.path("saved"));
  await exchangeNats(stack);
  await succeeds(stack, "cb-admin", "restore", stack.path("saved"));
  await stack.up();
  await seesMore(build);
  const { code, stdout } = await endWriting(build);
  assert.is(code, 0, stdout.slice(-1000));
  const numbers = writtenIn(stdout);
  assert.equal(
    numbers,
    numbers.map((_, at) => at + 1),
  );
  const { builds } = JSON.parse(await succeeds(stack, "cb-builds", "--json")) as BuildsReply;
  assert.equal(
    builds.map(({ state, attempt }) => [state, attempt]),
    [["succeeded", 1]],
  );
});

test.run();

// slow: it builds, loses the NATS host with its store, restores a backup and builds again.
// timeout: 400 s
/** The NATS host is lost with its disk. After a restore everything goes on: builds, images, users, machines. */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildersReply } from "../../../lib/protocol/admin-messages.ts";
import type { BuildsReply } from "../../../lib/protocol/builds-messages.ts";
import { exchangeNats } from "../../support/backup/exchange-nats.ts";
import { counting, HELLO, recipe } from "../../support/recipe/recipes.ts";
import { Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite<{ stack: Stack }>("a lost NATS host");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

async function succeeds(stack: Stack, program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await stack.run(program, args);
  assert.is(code, 0, `${program} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

const builds = async (stack: Stack) => (JSON.parse(await succeeds(stack, "cb-builds", "--json")) as BuildsReply).builds;
const machines = async (stack: Stack) =>
  (JSON.parse(await succeeds(stack, "cb-admin", "builders", "--json")) as BuildersReply).pools.flatMap(
    ({ builders }) => builders,
  );

async function addUser(stack: Stack, name: string): Promise<void> {
  writeFileSync(stack.path(`${name}.creds`), await succeeds(stack, "cb-admin", "user", "add", name), { mode: 0o600 });
}

const statusAs = (stack: Stack, user: string) =>
  stack.run("cb-status", [], { env: { NATS_CREDS: stack.path(`${user}.creds`) } });

/** Of the local stack (infra/local/queue-yaml.ts). */
const RESERVE = 2;

/** It writes nothing after its first line: one that writes after the backup is run again, which changes the reserve. */
const silent = (stack: Stack): string =>
  recipe(stack, "live", "    set +x\n    echo it has begun\n    while :; do sleep 1; done");

/** A build that has ended, with an image that no client has fetched. */
async function keptImage(stack: Stack): Promise<string> {
  const building = stack.start("container-builder", [stack.path("gone.sif"), counting(stack, "kept", 5)]);
  await building.seen(/line 1\n/);
  building.kill("SIGKILL");
  await building.finished;
  return until("the build has ended", async () => {
    const [build] = await builds(stack);
    return build?.state === "succeeded" && build.imageUntilMs !== undefined && build.build;
  });
}

test("a restore brings back builds, images, users, revocations and machines", async ({ stack }) => {
  const original = stack.path("guest.jwt.original");
  copyFileSync(stack.statePath("installation", "guest.jwt"), original);
  const kept = await keptImage(stack);
  await addUser(stack, "ada");
  await addUser(stack, "bob");
  await succeeds(stack, "cb-admin", "user", "revoke", "bob");
  const running = stack.start("container-builder", [stack.path("live.sif"), silent(stack)]);
  await running.seen(/it has begun/);
  const waiting = await until("the reserve is full again", async () => {
    const ready = (await machines(stack)).filter(({ state }) => state === "ready");
    return ready.length === RESERVE && ready.map(({ id }) => id);
  });
  const backup = await stack.run("cb-admin", ["backup", stack.path("saved")]);
  assert.is(backup.code, 0, backup.stderr);
  const early = await stack.run("cb-admin", ["restore", stack.path("saved")]);
  assert.is(early.code, 64);
  assert.match(early.stderr, "cb-queue, or another restore, is running");

  await stack.queueEnds("SIGTERM");
  // The new host is set up from the installation as it was made, before the user was revoked.
  copyFileSync(original, stack.statePath("installation", "guest.jwt"));
  await exchangeNats(stack);
  const restored = await stack.run("cb-admin", ["restore", stack.path("saved")]);
  assert.is(restored.code, 0, restored.stderr);
  await stack.up();

  // It has written nothing since the backup, so it is in its first attempt.
  const listed = await builds(stack);
  const live = listed.find(({ build }) => build !== kept);
  assert.equal([live?.state, live?.attempt], ["leased", 1]);
  assert.is(listed.find(({ build }) => build === kept)?.state, "succeeded");
  await succeeds(stack, "cb-attach", kept, stack.path("fetched.sif"));
  assert.ok(readFileSync(stack.path("fetched.sif")).length > 0);
  assert.is((await statusAs(stack, "ada")).code, 0);
  assert.is((await statusAs(stack, "bob")).code, 77);
  // The records know the machines that waited in the reserve, so they wait again.
  const after = await machines(stack);
  assert.equal(
    waiting.map((id) => after.find((machine) => machine.id === id)?.state),
    ["ready", "ready"],
  );
  assert.not.ok(after.some(({ state }) => state === "other generation"));
  await succeeds(stack, "cb-cancel", live?.build ?? "");
  await succeeds(stack, "container-builder", stack.path("new.sif"), HELLO);
  running.kill("SIGKILL");
  await running.finished;
});

test.run();

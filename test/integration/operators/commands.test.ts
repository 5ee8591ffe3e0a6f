// timeout: 300 s
// slow: an operator's commands on one stack, beside a running build.
/** cb-admin builds, cancel, drain, undrain, hold, release and usage: text, JSON, short ids, and what the user sees. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AdminBuildsReply } from "../../../lib/protocol/admin-builds-messages.ts";
import type { UsageReply } from "../../../lib/protocol/usage-messages.ts";
import { endless, recipe } from "../../support/recipe/recipes.ts";
import { type Finished, Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite<{ stack: Stack }>("operators' commands");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

async function admin(stack: Stack, ...args: string[]): Promise<Finished> {
  const finished = await stack.run("cb-admin", args);
  assert.is(finished.code, 0, finished.stderr);
  return finished;
}

const buildsOf = async (stack: Stack, ...args: string[]): Promise<AdminBuildsReply["builds"]> =>
  (JSON.parse((await admin(stack, "builds", "--json", ...args)).stdout) as AdminBuildsReply).builds;

test("cancel ends a running build by a short id; its owner reads by whom and why, and ends with 130", async ({
  stack,
}) => {
  const running = stack.start("container-builder", [stack.path("x.sif"), endless(stack, "running")]);
  await running.seen(/it has begun/);
  const [build] = await buildsOf(stack, "--state", "running", "--user", "local");
  const id = build?.build ?? "";
  const { stdout } = await admin(stack, "builds", "-n", "1");
  const builder = build?.builder?.slice(0, 8);
  assert.match(stdout, new RegExp(`^ID .*\\n${id.slice(0, 8)} +local +running +\\S+ +\\S+ +${builder} +x\\.sif\\n`));
  const cancelled = await admin(stack, "cancel", id.slice(0, 6), "--reason", "the host is needed");
  assert.is(cancelled.stdout, `Build ${id} of local: cancelled\n`);
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
  assert.match(stderr, /the build was cancelled by the operator \S+: the host is needed/);
  const again = JSON.parse((await admin(stack, "cancel", "--json", id)).stdout) as { state: string };
  assert.is(again.state, "cancelled");
  assert.equal(await buildsOf(stack, "--user", "grace"), []);
});

test("drain shows its reason to users until undrain; hold keeps a builder until release", async ({ stack }) => {
  const drained = await admin(stack, "drain", "local", "--reason", "a new kernel");
  assert.match(drained.stdout, /^local: drained; \d builds? running, 0 waiting\n$/);
  assert.match((await stack.run("cb-status", [])).stdout, "pool local is drained: a new kernel");
  assert.match((await admin(stack, "builders")).stdout, /pool local: .*\n {2}drained by \S+ \d+s ago: a new kernel\n/);
  await admin(stack, "undrain", "local");
  const ready = await until("a ready builder", async () => {
    const { pools } = JSON.parse((await stack.run("cb-status", ["--json"])).stdout) as {
      pools: { builders: { id: string; state: string }[] }[];
    };
    return pools[0]?.builders.find(({ state }) => state === "ready")?.id;
  });
  const held = await admin(stack, "hold", ready.slice(0, 8), "--for", "30m", "--reason", "a look");
  assert.is(held.stdout, `${ready}: held for 30m00s\n`);
  const { stdout } = await admin(stack, "builders");
  assert.match(stdout, new RegExp(`${ready} {2}held .*\\n.*\\n {4}held by \\S+ for \\d+m more: a look\\n`));
  assert.is(JSON.parse((await admin(stack, "release", "--json", ready)).stdout).builder, ready);
  const wrong = await stack.run("cb-admin", ["hold", ready, "--for", "8d"]);
  assert.equal([wrong.code, /at most 7d/.test(wrong.stderr)], [64, true], wrong.stderr);
});

test("usage counts the builds of the month; the reason of a failure names the section", async ({ stack }) => {
  const failed = await stack.run("container-builder", [stack.path("f.sif"), recipe(stack, "fails", "    exit 7")]);
  assert.is(failed.code, 1, failed.stderr);
  const [build] = await buildsOf(stack, "--state", "failed");
  assert.is(build?.reason, "%post ended with exit status 7");
  const month = new Date(build?.endedAtMs ?? 0).toISOString().slice(0, 7);
  const reply = JSON.parse((await admin(stack, "usage", "--json", "--month", month)).stdout) as UsageReply;
  assert.is(reply.users.find(({ user }) => user === "local")?.failed, 1);
  assert.match((await admin(stack, "usage", "--month", month)).stdout, /\nlocal +\d+ +0 +1 +/);
  assert.match((await admin(stack, "usage", "--month", "2001-01")).stdout, "No build ended in 2001-01.");
});

test.run();

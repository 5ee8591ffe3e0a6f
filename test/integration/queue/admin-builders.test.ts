/** cb-admin builders and plan: the machines as an operator sees them, and the destroying of single machines. */
// slow: starts a local stack and many sandboxes.
import { randomUUID } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildersReply } from "../../../lib/protocol/admin-messages.ts";
import { claimFolder, endSandboxIn } from "../../../lib/provider/sandbox/folder.ts";
import { endless } from "../../support/recipe/recipes.ts";
import { Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite<{ stack: Stack }>("cb-admin builders");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

type PoolReport = BuildersReply["pools"][number];

async function poolOf(stack: Stack): Promise<PoolReport> {
  const { code, stdout, stderr } = await stack.run("cb-admin", ["builders", "--json"]);
  assert.is(code, 0, stderr);
  const [pool] = (JSON.parse(stdout) as BuildersReply).pools;
  assert.ok(pool);
  return pool as PoolReport;
}

/** Adds a machine of another generation, in error, with control sequences in its console. */
async function addOtherGeneration(stack: Stack): Promise<string> {
  const builder = randomUUID();
  const identity = { installation: "local", generation: "lost", pool: "local", builder, attempt: randomUUID() };
  const stateDir = stack.statePath("sandboxes");
  await claimFolder(stateDir, { ...identity, host: "cb-planted", createdAtMs: Date.now() - 3 * 3_600_000 }, []);
  const console =
    "first\n\u001b]0;title\u0007\u001b[2Jwiped\u001b[31m red\u001b[0m\n10%\r90%\r\n\u202eevil\u0000\u009b1m\n";
  writeFileSync(join(stateDir, builder, "console.0"), console);
  return builder;
}

test("builders shows each machine with state, age, reason, host, build, image and console lines", async ({ stack }) => {
  const running = stack.start("container-builder", [stack.path("x.sif"), endless(stack, "shown")]);
  await running.seen(/it has begun/);
  const { stdout } = await stack.run("cb-admin", ["builders", "--console", "1"]);
  const leased =
    /^([0-9a-f-]{36}) {2}leased {2}\d+s {2}cb-[0-9a-f]{8}\n {4}leased to build .*\n {4}build: .*\n {4}image: [0-9a-f]{16}: apptainer \S+, buildah \S+, debian \S+, nodejs \S+\n {4}\| .*\n/m;
  assert.match(stdout, leased);
  assert.match(stdout, /^pool local: [234] machines\n/);
  const none = await stack.run("cb-admin", ["builders", "--console", "0"]);
  assert.not.match(none.stdout, "|");
  running.kill("SIGINT");
  assert.is((await running.finished).code, 130);
});

test("builders shows the console of a machine in error without control sequences, and destroy removes the machine", async ({
  stack,
}) => {
  const other = await addOtherGeneration(stack);
  const { stdout } = await stack.run("cb-admin", ["builders", "--console", "3"]);
  assert.match(
    stdout,
    `${other}  other generation, machine error  3h  cb-planted
    of another generation of records, lost; a build may run on it, so only an operator destroys it
    fault: its creation was interrupted
    | wiped red
    | 90%
    |  evil 1m
    to destroy it: cb-admin builders destroy ${other.slice(0, 8)}
`,
  );
  const destroyed = await stack.run("cb-admin", ["builders", "destroy", other]);
  assert.is(destroyed.code, 0, destroyed.stderr);
  assert.not.ok(existsSync(stack.statePath("sandboxes", other)));
  assert.not((await poolOf(stack)).builders.some(({ id }) => id === other));
});

test("destroy refuses a recorded builder and an unknown id", async ({ stack }) => {
  const [own] = (await poolOf(stack)).builders.filter(({ state }) => state === "ready");
  const refused = await stack.run("cb-admin", ["builders", "destroy", own?.id ?? ""]);
  assert.is(refused.code, 64, refused.stderr);
  assert.match(refused.stderr, "the reconciler manages it");
  const unknown = await stack.run("cb-admin", ["builders", "destroy", randomUUID()]);
  assert.is(unknown.code, 64, unknown.stderr);
  assert.match(unknown.stderr, "no provider lists a machine");
  assert.ok((await poolOf(stack)).builders.some(({ id }) => id === own?.id));
});

test("builders shows a lost builder as a recent failure, with the reason and its console", async ({ stack }) => {
  const [ready] = (await poolOf(stack)).builders.filter(({ state }) => state === "ready");
  assert.ok(ready);
  await endSandboxIn(stack.statePath("sandboxes", ready.id));
  const failure = await until("the failure in the output of cb-admin builders", async () =>
    (await poolOf(stack)).failures.find(({ id }) => id === ready.id),
  );
  assert.match(failure.reason, "its machine is in error: it was killed");
  assert.match(failure.console.join("\n"), ready.id);
  const { stdout } = await stack.run("cb-admin", ["builders"]);
  assert.match(
    stdout,
    new RegExp(`recent failures in pool local:\n${ready.id}  failed  \\d+s ago\n    its machine is in error`),
  );
});

test("plan shows the state of the pool, the actions with their reasons, and the next pass", async ({ stack }) => {
  const { code, stdout } = await stack.run("cb-admin", ["plan"]);
  assert.is(code, 0);
  assert.match(stdout, /^(pool local[\w-]*: .+\n( {2}.+\n)+ {2}next pass in \d+\.\d s, or at the next event\n)+$/);
});

test("cb-admin reports a wrong command, a wrong argument, and missing settings", async ({ stack }) => {
  const cases: [string[], number, RegExp][] = [
    [[], 64, /cb-admin needs a command: user, builds, cancel, builders, drain, undrain, hold, release, usage, plan/],
    [["user"], 64, /cb-admin user needs a command: add, revoke, list/],
    [["builders", "--console", "many"], 64, /--console must be a number of lines up to 1000, not many/],
    [["builders", "destroy", "x"], 64, /"x" is not the id of a builder/],
    [["user", "add"], 64, /missing required argument/],
    [["plan", "--config", "/nowhere.yaml"], 78, /cannot read \/nowhere.yaml/],
  ];
  for (const [argv, expected, message] of cases) {
    const { code, stderr } = await stack.run("cb-admin", argv);
    assert.is(code, expected, stderr);
    assert.match(stderr, message);
  }
  const elsewhere = { env: { XDG_STATE_HOME: stack.path("nothing") } };
  const unset = await stack.run("cb-admin", ["plan"], elsewhere);
  assert.is(unset.code, 78);
  assert.match(unset.stderr, /there are no operator settings\n.*admin.yaml/);
});

test("cb-admin accepts --json and --config before and after the command", async ({ stack }) => {
  const config = stack.statePath("client", "admin.yaml");
  for (const args of [
    ["--json", "-c", config, "plan"],
    ["plan", "--json", "-c", config],
  ]) {
    const { code, stdout, stderr } = await stack.run("cb-admin", args);
    assert.is(code, 0, stderr);
    assert.is((JSON.parse(stdout) as { pools: { name: string }[] }).pools[0]?.name, "local");
  }
});

test("cb-admin with the credential of a user is denied", async ({ stack }) => {
  const settings = stack.path("mine.yaml");
  const { url, servername, ca } = stack.clientSettings();
  writeFileSync(settings, JSON.stringify({ url, servername, ca, creds: stack.statePath("client", "user.creds") }));
  const { code, stderr } = await stack.run("cb-admin", ["user", "list", "--config", settings]);
  assert.is(code, 77, stderr);
});

test.run();

// timeout: 300 s
// slow: users of one stack are added and revoked, some with a running build.
/** cb-admin user: the users that NATS and the queue accept after each command. */
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse, stringify } from "yaml";
import { connectNats, type NatsAddress } from "../../../lib/nats/connection.ts";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import type { BuildersReply, UsersReply } from "../../../lib/protocol/admin-messages.ts";
import { buildOfStream } from "../../../lib/protocol/subjects.ts";
import { endless, HELLO } from "../../support/recipe/recipes.ts";
import { Recorder } from "../../support/recorder.ts";
import { Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite<{ stack: Stack }>("cb-admin user");

/** The original JWT of the account GUEST. */
let guestJwt: Buffer;

test.before(async (context) => {
  context.stack = await Stack.start();
  guestJwt = readFileSync(context.stack.statePath("installation", "guest.jwt"));
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

/** Adds a user and returns the path of the credential file. */
async function addUser(stack: Stack, name: string, ...flags: string[]): Promise<string> {
  const { code, stdout, stderr } = await stack.run("cb-admin", ["user", "add", name, ...flags]);
  assert.is(code, 0, stderr);
  const path = stack.path(`${name}.creds`);
  writeFileSync(path, stdout, { mode: 0o600 });
  return path;
}

const withCreds = (creds: string) => ({ env: { NATS_CREDS: creds } });
const statusOf = (stack: Stack, creds: string) => stack.run("cb-status", [], withCreds(creds));

async function listUsers(stack: Stack): Promise<UsersReply["users"]> {
  const { stdout } = await stack.run("cb-admin", ["user", "list", "--json"]);
  return (JSON.parse(stdout) as UsersReply).users;
}

async function leasedBuilders(stack: Stack): Promise<string[]> {
  const { stdout } = await stack.run("cb-admin", ["builders", "--json"]);
  const { pools } = JSON.parse(stdout) as BuildersReply;
  return pools.flatMap(({ builders }) => builders.filter(({ state }) => state === "leased").map(({ id }) => id));
}

/** The streams of builds, including their buckets, that are not sealed. */
async function openStreams(stack: Stack): Promise<string[]> {
  const nc = await connectNats({ address: addressOf(stack), credential: await queueCreds(stack), name: "test" });
  const open: string[] = [];
  for await (const { config } of (await nc.jetstreamManager()).streams.list()) {
    if (buildOfStream(config.name) !== undefined && !config.sealed) open.push(config.name);
  }
  await nc.close();
  return open;
}

const queueCreds = (stack: Stack) => readCreds(stack.statePath("installation", "creds", "queue.creds"), Date.now());

function addressOf(stack: Stack): NatsAddress {
  const { url, servername, ca } = stack.clientSettings();
  return { url, servername, ca: readFileSync(ca, "utf8") };
}

test("add writes a credential that can build, and list shows the user", async ({ stack }) => {
  const alice = await addUser(stack, "alice");
  const built = await stack.run("container-builder", [stack.path("a.sif"), HELLO], withCreds(alice));
  assert.is(built.code, 0, built.stderr);
  const [user] = await listUsers(stack);
  const { key } = await readCreds(alice, Date.now());
  assert.equal([user?.name, user?.publicKey, user?.revokedAtMs], ["alice", key.publicKey, undefined]);
  const text = await stack.run("cb-admin", ["user", "list"]);
  assert.match(text.stdout, new RegExp(`^NAME .*\\nalice +active +\\S+Z +\\S+Z +- +${key.publicKey}\\n$`));
});

test("add makes the output file readable for its owner only, whatever the umask", async ({ stack }) => {
  const path = stack.path("carol.creds");
  const { code, stderr } = await stack.run("cb-admin", ["user", "add", "carol"], { stdoutFile: path });
  assert.is(code, 0, stderr);
  assert.is(statSync(path).mode & 0o777, 0o600);
  assert.is((await statusOf(stack, path)).code, 0);
});

test("add refuses an invalid name, a name in use, and a terminal, and adds no user", async ({ stack }) => {
  const before = await listUsers(stack);
  for (const name of ["Dave", "a.b", "*", "x".repeat(65)]) {
    const { code, stdout, stderr } = await stack.run("cb-admin", ["user", "add", name]);
    assert.equal([code, stdout], [64, ""]);
    assert.match(stderr, "not a user name");
  }
  const taken = await stack.run("cb-admin", ["user", "add", "alice"]);
  assert.equal([taken.code, taken.stdout], [64, ""]);
  assert.match(taken.stderr, /there is a user alice already, since .*\n.*user add --force alice/);
  const shown = await stack.runOnTerminal("cb-admin", ["user", "add", "dave"]);
  assert.is(shown.code, 64);
  assert.match(shown.stdout, "cb-admin user add dave > dave.creds");
  assert.not.match(shown.stdout, "SEED");
  assert.equal(await listUsers(stack), before);
});

test("revoke closes the user's connections within a second and ends the user's builds; those of others go on", async ({
  stack,
}) => {
  const [alice, bob] = [stack.path("alice.creds"), await addUser(stack, "bob")];
  const recipe = endless(stack, "running");
  const build = (name: string, creds: string) =>
    stack.start("container-builder", [stack.path(name), recipe], withCreds(creds));
  const bobs = build("b.sif", bob);
  const alices = ["a1.sif", "a2.sif", "a3.sif"].map((name) => build(name, alice));
  await Promise.all([bobs, ...alices].map((one) => one.seen(/it has begun\n/)));
  const waiting = build("a4.sif", alice);
  await waiting.seen(/Requesting remote builder: 1 of \d+, all 4 builders busy/);
  const statuses = new Recorder<string>();
  const credential = await readCreds(alice, Date.now());
  let lostAtMs = 0;
  const onStatus = (status: string) => {
    if (status === "lost") lostAtMs ||= Date.now();
    statuses.add(status);
  };
  const nc = await connectNats({ address: addressOf(stack), credential, name: "test", onStatus });

  const revoked = await stack.run("cb-admin", ["user", "revoke", "alice"]);
  const revokedAtMs = Date.now();
  assert.is(revoked.code, 0, revoked.stderr);
  assert.match(
    revoked.stderr,
    /alice: the queue refuses the user, and ends 4 builds\nalice: NATS refuses the user's credential/,
  );
  await statuses.any((status) => status === "lost");
  await nc.closed();
  assert.ok(lostAtMs - revokedAtMs < 1000, `closed ${lostAtMs - revokedAtMs} ms after cb-admin ended`);
  for (const { code, stderr } of await Promise.all([...alices, waiting].map(({ finished }) => finished))) {
    assert.is(code, 130, stderr);
    assert.match(stderr, "the build was cancelled, since the user alice has been revoked");
  }
  const denied = await statusOf(stack, alice);
  assert.is(denied.code, 77, denied.stderr);

  assert.is((await statusOf(stack, bob)).code, 0);
  assert.is((await leasedBuilders(stack)).length, 1, "only bob's");
  bobs.kill("SIGINT");
  assert.is((await bobs.finished).code, 130);
  assert.equal(await openStreams(stack), [], "no open stream remains for the credentials of the builds");
});

async function restart(stack: Stack, signal: NodeJS.Signals, meanwhile: () => void): Promise<void> {
  await stack.queueEnds(signal);
  await stack.natsEnds(signal);
  meanwhile();
  await stack.up();
  assert.is((await statusOf(stack, stack.path("alice.creds"))).code, 77);
  assert.is((await statusOf(stack, stack.path("bob.creds"))).code, 0);
  const states = (await listUsers(stack)).map(
    ({ name, natsRevokedAtMs }) => `${name} ${natsRevokedAtMs === undefined ? "in" : "out"}`,
  );
  assert.equal(states, ["alice out", "bob in", "carol in"]);
}

test("a NATS server restarted with the original JWT of the account keeps its newer one", async ({ stack }) => {
  const file = stack.statePath("installation", "guest.jwt");
  const revised = readFileSync(file);
  assert.not.equal(revised, guestJwt);
  await restart(stack, "SIGTERM", () => writeFileSync(file, guestJwt));
  writeFileSync(file, revised);
});

test("a NATS server that has lost its accounts reads the revocation from the JWT file", async ({ stack }) => {
  await restart(stack, "SIGKILL", () => rmSync(stack.statePath("nats", "accounts"), { recursive: true }));
});

test("revoke changes nothing the second time, and refuses an unknown user", async ({ stack }) => {
  const before = await listUsers(stack);
  const again = await stack.run("cb-admin", ["user", "revoke", "alice"]);
  assert.is(again.code, 0, again.stderr);
  const unknown = await stack.run("cb-admin", ["user", "revoke", "unknown"]);
  assert.is(unknown.code, 64);
  assert.match(unknown.stderr, /no user unknown is known\n.*cb-admin user list/);
  assert.equal(await listUsers(stack), before);
});

test("after a revoked user is added again, the new credential works and the old one does not", async ({ stack }) => {
  const old = readFileSync(stack.path("alice.creds"));
  const alice = await addUser(stack, "alice");
  const built = await stack.run("container-builder", ["--force", stack.path("a.sif"), HELLO], withCreds(alice));
  assert.is(built.code, 0, built.stderr);
  writeFileSync(stack.path("old.creds"), old);
  assert.is((await statusOf(stack, stack.path("old.creds"))).code, 77);
});

test("add --force writes a new credential, and the previous one is refused", async ({ stack }) => {
  writeFileSync(stack.path("old.creds"), readFileSync(stack.path("alice.creds")));
  const alice = await addUser(stack, "alice", "--force");
  assert.is((await statusOf(stack, alice)).code, 0);
  assert.is((await statusOf(stack, stack.path("old.creds"))).code, 77);
});

test("without the operator key revoke makes only the queue refuse the user, and a repetition completes it", async ({
  stack,
}) => {
  const settings = parse(readFileSync(stack.statePath("client", "admin.yaml"), "utf8"));
  const withoutKey = { ...settings, account: { ...settings.account, operatorKey: "/nowhere/operator.seed" } };
  writeFileSync(stack.path("away.yaml"), stringify(withoutKey));
  const half = await stack.run("cb-admin", ["user", "revoke", "bob", "--config", stack.path("away.yaml")]);
  assert.is(half.code, 78, half.stderr);
  assert.match(half.stderr, /NATS still accepts the credential: cannot read the key file \/nowhere\/operator.seed/);
  const bob = stack.path("bob.creds");
  const refused = await stack.run("container-builder", [stack.path("b.sif"), HELLO], withCreds(bob));
  assert.is(refused.code, 77, refused.stderr);
  assert.match(refused.stderr, "the user bob has been revoked");
  assert.match((await stack.run("cb-admin", ["user", "list"])).stdout, /\nbob +half-revoked /);
  const tooEarly = await stack.run("cb-admin", ["user", "add", "bob"]);
  assert.is(tooEarly.code, 64);
  assert.match(tooEarly.stderr, /finish that first.*cb-admin user revoke bob/);
  assert.is((await stack.run("cb-admin", ["user", "revoke", "bob"])).code, 0);
  assert.match((await statusOf(stack, bob)).stderr, "refuses the credential");
});

test("the logs of the queue and of NATS have no seed and no JWT", async ({ stack }) => {
  for (const log of [stack.statePath("queue.log"), stack.statePath("nats", "nats-server.log")]) {
    assert.not.match(readFileSync(log, "utf8"), /eyJ[\w-]{8,}\.[\w-]+\.[\w-]+|\bS[UAO][A-Z2-7]{56}\b/);
  }
  await until("the revocation in the queue's log", () =>
    /"operator":"operator","user":"alice"/.test(readFileSync(stack.statePath("queue.log"), "utf8")),
  );
});

test.run();

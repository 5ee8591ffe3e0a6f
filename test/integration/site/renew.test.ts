// slow: a lame-duck stop, five starts of cb-queue and nine renewals take half a minute
/** `cb-admin site renew` on a running site: a real nats-server 2.10 and cb-queue, and a client that stays connected. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { initSite } from "../../../infra/site/init.ts";
import { renewSite } from "../../../infra/site/renew/renew.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { connectNats } from "../../../lib/nats/connection.ts";
import { formatCreds, parseCreds } from "../../../lib/nats/credentials/creds.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { call } from "../../../lib/nats/rpc/client.ts";
import { adminAddUser, adminUsers } from "../../../lib/protocol/requests.ts";
import { freePorts } from "../../support/free-ports.ts";
import { fingerprintOf, servedFingerprint } from "../../support/site/served-certificate.ts";
import { BACK, type HostProcess, startNats, startQueue, takeCloudPool } from "../../support/site/site-host.ts";
import { type Finished, Stack } from "../../support/stack.ts";

const test = suite("site renew");

const stack = Stack.unstarted();
const root = stack.path("site");
const [port = 0] = await freePorts(1);
const host = { etc: stack.path("site/hosts/n1/etc/container-builder"), varLib: stack.path("var-lib") };
const SERVER_NAME = "nats.lab.internal";
let nats: HostProcess;
let queue: HostProcess;

const read = (path: string) => readFileSync(stack.path("site", path), "utf8");
const caText = () => read("client/etc/xdg/container-builder/ca.crt");
const served = () => servedFingerprint({ port, ca: caText(), servername: SERVER_NAME });
const certificate = () => fingerprintOf(read("hosts/n1/etc/container-builder/tls/server.crt"));

/** A connection with a credential file, the log of its losses, and the moment when it is back after the first one. */
async function connected(creds: string) {
  const lost: string[] = [];
  let isBack: () => void;
  const back = new Promise<void>((resolve) => {
    isBack = resolve;
  });
  const { jwt, key, name } = parseCreds(creds, "it");
  const address = { url: `tls://127.0.0.1:${port}`, servername: SERVER_NAME, ca: caText() };
  const onStatus = (status: string) => {
    lost.push(status);
    if (status === "back") isBack();
  };
  const nc = await connectNats({ address, credential: { jwt, key }, name, onStatus });
  return { nc, lost, back, name };
}

/** The queue answers this operator. */
async function queueAnswers(creds: string): Promise<void> {
  const { nc, name } = await connected(creds);
  await call(adminUsers, { nc, principal: name, request: { v: 1 }, timeoutMs: 10_000 });
  await nc.close();
}

async function isRefused(creds: string): Promise<void> {
  const error = await connected(creds).then(
    ({ nc }) => nc.close(),
    (caught: unknown) => caught,
  );
  assert.is(error instanceof CbError && error.kind, "denied");
}

/** The text of a new credential, which is in NAME.creds too. */
async function addUser(name: string): Promise<string> {
  const operator = await connected(read("operator/ada/operator.creds"));
  const key = createKey("user");
  const request = { v: 1, name, publicKey: key.publicKey } as const;
  const { jwt } = await call(adminAddUser, { nc: operator.nc, principal: "ada", request, timeoutMs: 10_000 });
  await operator.nc.close();
  const creds = formatCreds(jwt, key);
  writeFileSync(stack.path(`${name}.creds`), creds, { mode: 0o600 });
  return creds;
}

function statusOf(name: string): Promise<Finished> {
  const env = {
    NATS_URL: `tls://127.0.0.1:${port}`,
    NATS_SERVERNAME: SERVER_NAME,
    NATS_CA: stack.path("site/client/etc/xdg/container-builder/ca.crt"),
    NATS_CREDS: stack.path(`${name}.creds`),
  };
  return stack.run("cb-status", [], { env });
}

test.before(async () => {
  await initSite(root, { name: "lab", nats: ["n1=127.0.0.1"], operator: ["ada"] }, Date.now());
  takeCloudPool(root, { port });
  await initSite(root, {}, Date.now());
  nats = await startNats(host);
  queue = await startQueue(host);
});

test.after(async () => {
  await queue?.end();
  await nats?.end();
  await stack.stop();
});

test("nats-server serves a new certificate after a reload, and cb-queue and clients are back by themselves", async () => {
  const operator = await connected(read("operator/ada/operator.creds"));
  const old = certificate();
  assert.is(await served(), old);
  const { changes } = await renewSite(root, { certificates: true }, Date.now());
  assert.equal(
    changes.map(({ path }) => path),
    ["server.crt", "server.key"].map((name) => `hosts/n1/etc/container-builder/tls/${name}`),
  );
  assert.is.not(certificate(), old);
  nats.signal("SIGHUP");
  await nats.seen(/Reloaded server configuration/);
  assert.is(await served(), certificate());
  // nats-server 2.10 closes the connections of all JWT users at a reload.
  await queue.seen(BACK);
  await operator.back;
  await queueAnswers(read("operator/ada/operator.creds"));
  await operator.nc.flush();
  await operator.nc.close();
});

test("the queue's old key works until the renewal is finished, and NATS refuses it then", async () => {
  const operator = await connected(read("operator/ada/operator.creds"));
  const old = read("installation/creds/queue.creds");
  await renewSite(root, { queueKey: true }, Date.now());
  await queueAnswers(read("operator/ada/operator.creds"));
  await queue.end();
  queue = await startQueue(host);
  await renewSite(root, { finish: true }, Date.now());
  await queueAnswers(read("operator/ada/operator.creds"));
  await isRefused(old);
  assert.equal(operator.lost, []);
  await operator.nc.close();
});

/** A call of container-builder with a secret, and with config.yaml as a user has it; its outcome, without waiting for the build. */
async function sendsSecret(config: string): Promise<Finished> {
  const env = {
    NATS_CA: stack.path("site/client/etc/xdg/container-builder/ca.crt"),
    NATS_CREDS: stack.path("sealer.creds"),
    XDG_CONFIG_HOME: stack.path("settings"),
  };
  mkdirSync(stack.path("settings/container-builder"), { recursive: true });
  writeFileSync(stack.path("settings/container-builder/config.yaml"), config);
  writeFileSync(stack.path("empty.def"), "Bootstrap: scratch\n");
  const secret = ["--secret", `id=token,src=${stack.path("empty.def")}`];
  const finished = await stack.run("container-builder", ["--detach", ...secret, "empty.sif", "empty.def"], { env });
  if (finished.code === 0) await stack.run("cb-cancel", [finished.stdout.trim()], { env });
  return finished;
}

test("the queue takes secrets for the old and the new sealing key until the renewal is finished", async () => {
  await addUser("sealer");
  const config = () => read("client/etc/xdg/container-builder/config.yaml");
  const old = config();
  const key = "hosts/n1/etc/container-builder/sealing.key";
  const { changes } = await renewSite(root, { sealingKey: true }, Date.now());
  assert.equal(
    changes.map(({ path }) => path),
    ["client/etc/xdg/container-builder/config.yaml", key],
  );
  assert.equal((await renewSite(root, { sealingKey: true }, Date.now())).changes, [], "a renewal is under way");
  await queue.end();
  queue = await startQueue(host);
  for (const settings of [old, config()]) {
    const { code, stderr } = await sendsSecret(settings);
    assert.is(code, 0, stderr);
  }
  const finished = await renewSite(root, { finish: true }, Date.now());
  assert.ok(finished.changes.some(({ path }) => path === key));
  await queue.end();
  queue = await startQueue(host);
  assert.is((await sendsSecret(config())).code, 0);
  const refused = await sendsSecret(old);
  assert.is(refused.code, 78, refused.stderr);
  assert.match(
    refused.stderr,
    /sealed to the key \w{16}; this queue has \w{16}\n {2}the setting "sealingKey" is outdated/,
  );
});

test("both signing keys work until the renewal is finished, revocations stay, and the old keys are refused then", async () => {
  const oldOperator = read("operator/ada/operator.creds");
  const users = { busy: await addUser("busy"), away: await addUser("away") };
  const seed = read("installation/keys/guest-signing.seed");
  const operator = await connected(oldOperator);
  await renewSite(root, { signingKeys: true }, Date.now());
  assert.is.not(read("installation/keys/guest-signing.seed"), seed);
  // The same again, as after a kill, makes no third key.
  const second = await renewSite(root, { signingKeys: true }, Date.now());
  assert.equal(second.changes, []);
  await queueAnswers(oldOperator);
  await queueAnswers(read("operator/ada/operator.creds"));
  await queue.end();
  queue = await startQueue(host);
  const renewed = await statusOf("busy");
  assert.is(renewed.code, 0, renewed.stderr);
  assert.match(renewed.stderr, /^cb-status: the queue has renewed your credential; stored in \S*busy\.creds$/m);
  assert.not.match((await statusOf("busy")).stderr, /renewed/);
  const revoked = Object.keys(revocations());
  await renewSite(root, { finish: true }, Date.now());
  assert.equal(Object.keys(revocations()), revoked);
  await queueAnswers(read("operator/ada/operator.creds"));
  await isRefused(oldOperator);
  assert.is((await statusOf("busy")).code, 0);
  await isRefused(users.busy);
  await isRefused(users.away);
  await operator.nc.close();
});

test("a restarted nats-server keeps the new accounts, also with its old configuration file", async () => {
  const creds = read("operator/ada/operator.creds");
  await nats.end("SIGUSR2");
  nats = await startNats(host);
  await queue.seen(BACK);
  await queueAnswers(creds);
});

test("a renewal without the offline key names the missing file", async () => {
  rmSync(stack.path("site/offline"), { recursive: true });
  for (const renewal of [{ certificates: true }, { signingKeys: true }, { finish: true }]) {
    const error = await renewSite(root, renewal, Date.now()).catch((caught: unknown) => caught);
    assert.match(error instanceof CbError ? error.message : "", /site\/offline\/(ca\.key|operator\.seed)/);
  }
});

function revocations(): Record<string, number> {
  const body = read("installation/core.jwt").split(".")[1] ?? "";
  return JSON.parse(Buffer.from(body, "base64url").toString()).nats.revocations ?? {};
}

test.run();

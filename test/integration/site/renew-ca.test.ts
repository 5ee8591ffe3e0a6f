/** `cb-admin site renew --ca` on a running site: a real nats-server 2.10 and cb-queue, and clients with old and new settings. */
import { cpSync, readFileSync, renameSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkSite } from "../../../infra/site/check/check-site.ts";
import { initSite } from "../../../infra/site/init.ts";
import { type Renewal, renewSite } from "../../../infra/site/renew/renew.ts";
import { renewText } from "../../../infra/site/renew/renew-text.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { connectNats } from "../../../lib/nats/connection.ts";
import { parseCreds } from "../../../lib/nats/credentials/creds.ts";
import { call } from "../../../lib/nats/rpc/client.ts";
import { adminUsers } from "../../../lib/protocol/requests.ts";
import { freePorts } from "../../support/free-ports.ts";
import { BACK, type HostProcess, startNats, startQueue, takeCloudPool } from "../../support/site/site-host.ts";
import { Stack } from "../../support/stack.ts";

const test = suite("site renew-ca");

const stack = Stack.unstarted();
const root = stack.path("site");
const [port = 0] = await freePorts(1);
const host = { etc: stack.path("site/hosts/n1/etc/container-builder"), varLib: stack.path("var-lib") };
let nats: HostProcess;
let queue: HostProcess;

const read = (path: string) => readFileSync(stack.path("site", path), "utf8");
const clientCa = () => read("client/etc/xdg/container-builder/ca.crt");
const countOf = (pem: string) => pem.split("BEGIN CERTIFICATE").length - 1;
const renew = (renewal: Renewal) => renewSite(root, renewal, Date.now());

/** The queue answers an operator who trusts this CA. */
async function queueAnswers(ca: string): Promise<void> {
  const { jwt, key, name } = parseCreds(read("operator/ada/operator.creds"), "it");
  const address = { url: `tls://127.0.0.1:${port}`, servername: "nats.lab.internal", ca };
  const nc = await connectNats({ address, credential: { jwt, key }, name });
  try {
    await call(adminUsers, { nc, principal: name, request: { v: 1 }, timeoutMs: 10_000 });
  } finally {
    await nc.close();
  }
}

async function failureOf(promise: Promise<unknown>): Promise<CbError> {
  const error = await promise.catch((caught: unknown) => caught);
  assert.instance(error, CbError);
  return error as CbError;
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

let oldCa = "";

test("renew --ca gives all holders both CAs, changes no certificate, and a second run changes nothing", async () => {
  oldCa = clientCa();
  cpSync(`${root}/offline/ca.key`, stack.path("old.key"));
  const result = await renew({ ca: true });
  assert.equal(
    result.changes.map(({ path }) => path),
    ["client/etc/xdg/container-builder/ca.crt", "hosts/n1/etc/container-builder/tls/ca.crt", "operator/ada/ca.crt"],
  );
  const text = renewText(result, { ca: true }, "site");
  assert.match(text, /systemctl try-restart cb-queue/);
  assert.not.match(text, /(reload|restart) cb-nats/);
  assert.match(text, /site renew site --certificates\n.*site renew site --finish/);
  assert.is(countOf(clientCa()), 2);
  assert.equal((await renew({ ca: true })).changes, []);
  assert.equal((await checkSite(root, Date.now(), { connect: true })).faults, []);
});

test("--finish refuses to drop the CA that signed a certificate in use, and changes nothing", async () => {
  const before = clientCa();
  assert.match((await failureOf(renew({ finish: true }))).message, /server\.crt is still signed by the old CA/);
  assert.is(clientCa(), before);
  assert.is((await failureOf(renew({ ca: true, certificates: true }))).kind, "usage");
});

test("a renewal of the CA that was killed before its last step is completed with the same CA", async () => {
  const killed = stack.path("killed");
  cpSync(root, killed, { recursive: true });
  renameSync(`${killed}/offline/ca.key`, `${killed}/offline/ca.key.next`);
  cpSync(stack.path("old.key"), `${killed}/offline/ca.key`);
  cpSync(`${killed}/installation/tls/ca.crt`, `${killed}/installation/tls/ca.crt.next`);
  const { changes } = await renewSite(killed, { ca: true }, Date.now());
  assert.equal(changes, []);
  assert.is(readFileSync(`${killed}/offline/ca.key`, "utf8"), read("offline/ca.key"));
});

test("the new CA signs the certificates, and --finish drops the old CA while queue and clients go on", async () => {
  await queue.end();
  queue = await startQueue(host);
  await queueAnswers(oldCa);
  await renew({ certificates: true });
  nats.signal("SIGHUP");
  await nats.seen(/Reloaded server configuration/);
  const both = clientCa();
  // cb-queue trusts both CAs.
  await queue.seen(BACK);
  await queueAnswers(both);
  assert.is((await failureOf(queueAnswers(oldCa))).kind, "unreachable");
  await renew({ finish: true });
  assert.is(countOf(clientCa()), 1);
  assert.not.match(clientCa(), oldCa.trim().split("\n")[3] ?? "");
  await queueAnswers(clientCa());
  assert.equal((await checkSite(root, Date.now(), { connect: true })).faults, []);
});

test.run();

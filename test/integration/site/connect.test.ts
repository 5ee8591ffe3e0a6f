/** `cb-admin site check --connect` against a real nats-server 2.10, and a site with a CA of its own organisation. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse, stringify } from "yaml";
import { makeAuthority, makeCertificate, serverRequest } from "../../../infra/nats/tls.ts";
import { clockFaults } from "../../../infra/site/check/check-connections.ts";
import { checkSite } from "../../../infra/site/check/check-site.ts";
import { initSite } from "../../../infra/site/init.ts";
import { renewSite } from "../../../infra/site/renew/renew.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { freePorts } from "../../support/free-ports.ts";
import { fingerprintOf, servedFingerprint } from "../../support/site/served-certificate.ts";
import { type HostProcess, startNats, takeCloudPool } from "../../support/site/site-host.ts";
import { Stack } from "../../support/stack.ts";

const test = suite("site connect");

const stack = Stack.unstarted();
const running: HostProcess[] = [];
const ANSWERS = { name: "lab", nats: ["n1=127.0.0.1"], operator: ["ada"] };
const SERVER_NAME = "nats.lab.internal";
let port = 0;
let freePort = 0;

test.before(async () => {
  [port = 0, freePort = 0] = await freePorts(2);
  await makeSite("site", { port });
  running.push(await startNats(hostOf("site")));
});
test.after(async () => {
  for (const nats of running) await nats.end();
  await stack.stop();
});

async function makeSite(name: string, nats: object): Promise<void> {
  await initSite(stack.path(name), ANSWERS, Date.now());
  takeCloudPool(stack.path(name), nats);
  await initSite(stack.path(name), {}, Date.now());
}

const hostOf = (name: string) => ({
  etc: stack.path(name, "hosts/n1/etc/container-builder"),
  varLib: stack.path(`var-lib-${name}`),
});

const check = (name: string) => checkSite(stack.path(name), Date.now(), { connect: true });

/** The faults of connections, as `path text`, with a change of a copy of the folder. */
async function faultsAfter(name: string, change: (folder: string) => unknown): Promise<string[]> {
  cpSync(stack.path("site"), stack.path(name), { recursive: true });
  await change(stack.path(name));
  const { faults, connections } = await check(name);
  assert.is(connections?.length, 1);
  for (const { remedy } of faults) assert.ok(remedy.length > 0);
  return faults.filter(({ path }) => path.startsWith("n")).map(({ path, text }) => `${path} ${text}`);
}

function editSite(folder: string, change: (answers: Record<string, unknown> & { nats: { hosts: object[] } }) => void) {
  const path = join(folder, "site.yaml");
  const answers = parse(readFileSync(path, "utf8"));
  change(answers);
  writeFileSync(path, stringify(answers));
}

test("check --connect finds no fault where the host has the files of the folder, and shows version and clock", async () => {
  const { faults, connections } = await check("site");
  assert.equal(faults, []);
  assert.is(connections?.[0]?.address, `127.0.0.1:${port}`);
  assert.match(connections?.[0]?.version ?? "", /^2\.10\./);
  assert.ok(Math.abs(connections?.[0]?.clockMs ?? Number.NaN) < 60_000);
  const args = ["site", "check", stack.path("site"), "--connect"];
  const program = await stack.run("cb-admin", args);
  assert.is(program.code, 0, program.stderr);
  assert.match(program.stdout, /^n1 +127\.0\.0\.1:\d+ +2\.10\.\d+ +equal$/m);
  const json = await stack.run("cb-admin", [...args, "--json"]);
  assert.is(JSON.parse(json.stdout).connections[0].host, "n1");
});

test("a host that does not answer, is another one, or serves another certificate is named", async () => {
  const away = await faultsAfter("away", (folder) => initSite(folder, { port: String(freePort) }, Date.now()));
  assert.match(away.join("\n"), /^n1 \(127\.0\.0\.1:\d+\) does not answer: .*ECONNREFUSED[^\n]*$/);
  const renamed = await faultsAfter("renamed", (folder) => initSite(folder, { nats: ["n9=127.0.0.1"] }, Date.now()));
  assert.equal(renamed, [`n9 (127.0.0.1:${port}) is the server n1, not n9`]);
  const renewed = await faultsAfter("renewed", (folder) => renewSite(folder, { certificates: true }, Date.now()));
  assert.equal(renewed, [`n1 (127.0.0.1:${port}) serves another certificate than that of the folder`]);
  await makeSite("other", { port });
  const other = await check("other");
  assert.equal(
    other.faults.map(({ text }) => text.replace(/: .*/, "")),
    ["serves a certificate that clients refuse"],
  );
});

test("a server without JetStream is a fault", async () => {
  await makeSite("plain", { port: freePort });
  const conf = join(hostOf("plain").etc, "nats-server.conf");
  writeFileSync(conf, readFileSync(conf, "utf8").replace(/^jetstream \{[^}]*\}/m, ""));
  running.push(await startNats(hostOf("plain")));
  const { faults } = await check("plain");
  assert.ok(
    faults.some(({ text }) => text === "runs without JetStream"),
    JSON.stringify(faults),
  );
});

test("a clock that differs by more than five minutes is a fault", () => {
  assert.equal([-300_000, 300_000].flatMap(clockFaults), []);
  assert.equal(
    [-300_001, 300_001].flatMap(clockFaults).map(({ text }) => text),
    ["has a clock 300 s ahead of this machine's", "has a clock 300 s behind this machine's"],
  );
});

test("a site with the certificate of another CA runs with it, and gets a new one without a restart", async () => {
  const at = (name: string) => stack.path(`given-${name}`);
  const authority = { caFile: at("ca.crt"), caKeyFile: at("ca.key") };
  const request = (name: string) => serverRequest({ certFile: at("nats.crt"), keyFile: at("nats.key") }, name);
  await makeAuthority(authority, Date.now(), "CA of the university");
  await makeCertificate(authority, request(SERVER_NAME), Date.now());
  const [own = 0] = await freePorts(1);
  await makeSite("given", { port: own });
  const root = stack.path("given");
  editSite(root, (answers) => {
    answers.certificates = { ca: at("ca.crt"), cert: at("nats.crt"), key: at("nats.key") };
  });
  await initSite(root, {}, Date.now());
  const ca = readFileSync(join(root, "client/etc/xdg/container-builder/ca.crt"), "utf8");
  assert.is(ca, readFileSync(at("ca.crt"), "utf8"));
  const nats = await startNats(hostOf("given"));
  running.push(nats);
  assert.equal((await check("given")).faults, []);

  const refused = await renewSite(root, { certificates: true }, Date.now()).catch((error: unknown) => error);
  assert.is(refused instanceof CbError && refused.kind, "usage");
  await makeCertificate(authority, request("other.example.org"), Date.now());
  const wrong = await initSite(root, {}, Date.now()).catch((error: unknown) => error);
  assert.match(wrong instanceof CbError ? wrong.message : "", /is not for the name nats\.lab\.internal/);
  await makeCertificate(authority, request(SERVER_NAME), Date.now());
  const { changes } = await initSite(root, {}, Date.now());
  assert.equal(
    changes.map(({ path }) => path.replace(/.*\//, "")),
    ["server.crt", "server.key"],
  );
  nats.signal("SIGHUP");
  await nats.seen(/Reloaded server configuration/);
  const served = await servedFingerprint({ port: own, ca, servername: SERVER_NAME });
  assert.is(served, fingerprintOf(readFileSync(at("nats.crt"), "utf8")));
});

test("a credential that NATS refuses is named", async () => {
  // Last, because it changes the accounts of the running server.
  cpSync(stack.path("site"), stack.path("without"), { recursive: true });
  await initSite(stack.path("without"), { operator: ["bob"] }, Date.now());
  await renewSite(stack.path("without"), { finish: true }, Date.now());
  const { faults } = await check("site");
  assert.equal(
    faults.map(({ text }) => text),
    ["refuses the credential installation/creds/operators/ada.creds"],
  );
});

test.run();

/** `cb-admin site init`: its files run a real site as they are. */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { SiteOptions } from "../../../infra/site/answers/site-yaml.ts";
import { initSite } from "../../../infra/site/init.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { freePorts } from "../../support/free-ports.ts";
import { type HostProcess, runIn, startNats, startQueue, takeCloudPool } from "../../support/site/site-host.ts";
import { Stack } from "../../support/stack.ts";

const test = suite("site init");

const stack = Stack.unstarted();
const running: HostProcess[] = [];
test.after(async () => {
  for (const process of running.reverse()) await process.end();
  await stack.stop();
});

const ANSWERS: SiteOptions = { name: "lab", nats: ["n1=127.0.0.1"], operator: ["ada"] };
const ARGUMENTS = ["--name", "lab", "--nats", "n1=127.0.0.1", "--operator", "ada"];
const THREE = ["n1=127.0.0.1", "n2=127.0.0.2", "n3=127.0.0.3"];

/** The changes of `cb-admin site init`, as `kind path`. */
async function init(folder: string, options: SiteOptions = {}): Promise<string[]> {
  const { changes } = await initSite(stack.path(folder), options, Date.now());
  return changes.map(({ kind, path }) => `${kind} ${path}`);
}

async function failure(promise: Promise<unknown>): Promise<CbError> {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  assert.instance(error, CbError);
  return error as CbError;
}

/** Every file with its mode, its time of change and its content. */
function snapshot(folder: string): string {
  const script = `find . -type f -printf '%p %m %T@ ' -exec sha256sum {} \\; | sort`;
  return spawnSync("sh", ["-c", script], { cwd: stack.path(folder), encoding: "utf8" }).stdout;
}
const withoutTimes = (folder: string) => snapshot(folder).replace(/^(\S+ \d+) \S+/gm, "$1");

test("the files of one host run nats-server and cb-queue, an operator adds a user, and the user sees the queue", async () => {
  const program = await stack.run("cb-admin", ["site", "init", stack.path("site"), ...ARGUMENTS]);
  assert.is(program.code, 0, program.stderr);
  assert.match(program.stdout, "Take the folder offline away");
  const [port = 0] = await freePorts(1);
  takeCloudPool(stack.path("site"), { port });
  await init("site");
  const varLib = stack.path("var-lib");
  const host = { etc: stack.path("site/hosts/n1/etc/container-builder"), varLib };
  running.push(await startNats(host));
  await runIn(host, "cb-queue", ["--check"]);
  running.push(await startQueue(host));
  const operator = { etc: stack.path("site/operator/ada"), varLib };
  const user = await runIn(operator, "cb-admin", ["user", "add", "grace"]);
  writeFileSync(stack.path("grace.creds"), user.stdout, { mode: 0o600 });
  const client = { etc: stack.path("site/client/etc/xdg/container-builder"), varLib };
  const env = { NATS_CREDS: stack.path("grace.creds") };
  // Rejects unless cb-status ends with 0.
  await runIn(client, "cb-status", [], env);
});

test("a second init changes no byte, and says so", async () => {
  await init("same", ANSWERS);
  const before = snapshot("same");
  assert.equal(await init("same", ANSWERS), []);
  const { code, stdout } = await stack.run("cb-admin", ["site", "init", stack.path("same")]);
  assert.is(code, 0);
  assert.match(stdout, /^nothing to do/);
  const json = await stack.run("cb-admin", ["--json", "site", "init", stack.path("same")]);
  assert.equal(JSON.parse(json.stdout), { v: 1, folder: stack.path("same"), changes: [], retiredOperators: [] });
  assert.is(snapshot("same"), before);
});

test("only the files of a new operator change when one is added, also without the offline keys", async () => {
  await init("operators", ANSWERS);
  rmSync(stack.path("operators/offline"), { recursive: true });
  const changes = await init("operators", { operator: ["ada", "bob"] });
  assert.equal(
    changes,
    ["admin.yaml", "backup.creds", "ca.crt", "guest.jwt", "operator.creds"].map((name) => `new operator/bob/${name}`),
  );
  const { left } = await initSite(stack.path("operators"), { operator: ["bob"] }, Date.now());
  assert.equal(left, ["ada"]);
  assert.is(existsSync(stack.path("operators/operator/ada")), false);
});

test("a change that needs the key of the CA names the missing file, and is completed when it is back", async () => {
  await init("cluster", ANSWERS);
  renameSync(stack.path("cluster/offline"), stack.path("taken-away"));
  const error = await failure(init("cluster", { nats: THREE }));
  assert.is(error.kind, "config");
  assert.match(error.message, "cluster/offline/ca.key");
  renameSync(stack.path("taken-away"), stack.path("cluster/offline"));
  assert.ok((await init("cluster")).includes("new hosts/n3/etc/container-builder/tls/route.key"));
  // One host of three gets another address: its certificate changes, and no other.
  const changes = await init("cluster", { nats: [...THREE.slice(0, 2), "n3=127.0.0.4"] });
  assert.equal(
    changes.filter((change) => /\.(crt|key)$/.test(change)),
    ["changed hosts/n3/etc/container-builder/tls/route.crt", "changed hosts/n3/etc/container-builder/tls/route.key"],
  );
});

test("modes are those of the manifest under any umask, and a wrong one is corrected", async () => {
  for (const umask of ["0077", "0000"]) {
    const args = ["site", "init", stack.path(`mask${umask}`), ...ARGUMENTS];
    const { code, stderr } = await stack.runInShell(`umask ${umask}; "$@"`, "cb-admin", args);
    assert.is(code, 0, stderr);
  }
  const modes = (folder: string) =>
    snapshot(folder).replace(/^(\.\/(hosts|operator|client)\S+ \d+) .*\n|^.*\n/gm, "$1\n");
  assert.is(modes("mask0077"), modes("mask0000"));
  const seed = stack.path("mask0000/hosts/n1/etc/container-builder/guest-signing.seed");
  assert.is(statSync(seed).mode & 0o777, 0o640);
  assert.is(statSync(stack.path("mask0000")).mode & 0o777, 0o700);
  chmodSync(seed, 0o644);
  assert.equal(await init("mask0000"), ["mode hosts/n1/etc/container-builder/guest-signing.seed"]);
  assert.is(statSync(seed).mode & 0o777, 0o640);
});

test("a run that was killed is completed by the next one, with the same keys and bytes", async () => {
  await init("whole", ANSWERS);
  for (const missing of ["files.txt", "install.txt", "hosts", "operator", "client/etc/xdg/container-builder/ca.crt"]) {
    rmSync(stack.path("killed"), { recursive: true, force: true });
    cpSync(stack.path("whole"), stack.path("killed"), { recursive: true });
    rmSync(stack.path("killed", missing), { recursive: true });
    await init("killed");
    assert.is(withoutTimes("killed"), withoutTimes("whole"), missing);
  }
  // Killed before the offline keys were moved, and while a certificate was replaced.
  renameSync(stack.path("killed/offline"), stack.path("killed/installation/offline"));
  writeFileSync(stack.path("killed/installation/tls/server.crt"), "");
  writeFileSync(stack.path("killed/hosts/n1/queue.yaml.0b5bd2ba-9a5c-4f0e-9d4f-1d2f3a4b5c6d.tmp"), "");
  assert.match((await failure(init("killed"))).message, "installation/tls/server.crt is missing or empty");
  cpSync(stack.path("whole/offline/ca.key"), stack.path("killed/installation/tls/server.key"));
  cpSync(stack.path("whole/installation/tls/server.crt"), stack.path("killed/installation/tls/server.crt"));
  await init("killed");
  assert.is(existsSync(stack.path("killed/offline/operator.seed")), true);
  assert.not.match(snapshot("killed"), /\.tmp|installation\/offline/);
});

test("a missing file of the installation is named, and its keys are never replaced", async () => {
  await init("lost", ANSWERS);
  rmSync(stack.path("lost/installation/keys/guest-signing.seed"));
  const before = snapshot("lost");
  assert.match((await failure(init("lost"))).message, "installation/keys/guest-signing.seed is missing");
  assert.is(snapshot("lost"), before);
});

test("a folder with other files, missing answers, mistakes and another name are refused, and change nothing", async () => {
  const folder = stack.path("thesis");
  cpSync(stack.path("whole/install.txt"), join(folder, "thesis.tex"));
  assert.match((await failure(initSite(folder, ANSWERS, 0))).message, "is not the folder of a site");
  const none = await stack.run("cb-admin", ["site", "init", stack.path("none")]);
  assert.is(none.code, 64);
  assert.match(none.stderr, /cb-admin site init FOLDER --name/);
  const two = await failure(init("none", { name: "lab", nats: ["a=10.0.0.1", "b=10.0.0.2"] }));
  assert.match(two.message, "must be one host or three");
  assert.is(existsSync(stack.path("none")), false);
  const before = snapshot("whole");
  assert.match((await failure(init("whole", { name: "other" }))).message, "have the name lab, not other");
  assert.match((await failure(init("whole", { serverName: "b.c" }))).message, "have the serverName nats.lab.internal");
  assert.is(snapshot("whole"), before);
});

test.run();

/** `cb-admin site check`: what ends when, and files that are missing, open, or do not belong together. */
import { chmodSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkSite } from "../../../infra/site/check/check-site.ts";
import { initSite } from "../../../infra/site/init.ts";
import { Stack } from "../../support/stack.ts";

const test = suite("site check");

const DAY_MS = 24 * 3_600_000;
const stack = Stack.unstarted();
test.after(() => stack.stop());

const good = stack.path("good");
const other = stack.path("other");
const bad = stack.path("bad");
const ANSWERS = { name: "lab", nats: ["n1=127.0.0.1", "n2=127.0.0.2", "n3=127.0.0.3"], operator: ["ada"] };

test.before(async () => {
  await initSite(good, ANSWERS, Date.now());
  await initSite(other, ANSWERS, Date.now());
});

/** The faults as `path text`, after a change of a good folder. */
async function faultsAfter(change: (path: (name: string) => string) => void): Promise<string[]> {
  rmSync(bad, { recursive: true, force: true });
  cpSync(good, bad, { recursive: true });
  change((name) => join(bad, name));
  const { faults } = await checkSite(bad, Date.now());
  for (const { remedy } of faults) assert.ok(remedy.length > 0);
  return faults.map(({ path, text }) => `${path} ${text}`);
}

test("checkSite() finds no fault in a folder that init made, and lists what ends first", async () => {
  const { faults, lifetimes, hasOffline } = await checkSite(good, Date.now());
  assert.equal(faults, []);
  assert.is(hasOffline, true);
  assert.match(lifetimes[0]?.path ?? "", /^installation\/tls\/(server|routes\/n\d)\.crt$/);
  assert.is(lifetimes.at(-1)?.endsAtMs, undefined);
});

test("a certificate that ends within 60 days is a fault, and one that ended too", async () => {
  const { lifetimes } = await checkSite(good, Date.now());
  const [first] = lifetimes;
  const endsAtMs = first?.endsAtMs ?? 0;
  const texts = async (nowMs: number) =>
    (await checkSite(good, nowMs)).faults.map(({ path, text }) => `${path} ${text}`);
  assert.equal(await texts(endsAtMs - 60 * DAY_MS - 1), []);
  assert.ok((await texts(endsAtMs - 60 * DAY_MS)).includes(`${first?.path} ends in 60 days`));
  assert.ok((await texts(endsAtMs + DAY_MS)).includes(`${first?.path} ended 1 days ago`));
});

test("checkSite() names files that do not belong together, are missing, or are open to others", async () => {
  const swap = (name: string) => faultsAfter((path) => cpSync(join(other, name), path(name)));
  assert.match(
    (await swap("installation/tls/server.crt")).join("\n"),
    /server\.crt does not belong to its key\n.*not signed by the CA/,
  );
  assert.match((await swap("installation/guest.jwt")).join("\n"), /guest\.jwt is signed by the key O/);
  assert.match((await swap("installation/creds/queue.creds")).join(), /queue\.creds is signed by the key A/);
  assert.match((await swap("installation/keys/guest-signing.seed")).join(), "is not a signing key of its account");
  const seed = "hosts/n1/etc/container-builder/guest-signing.seed";
  assert.equal(await faultsAfter((path) => rmSync(path(seed))), [`${seed} is missing`]);
  assert.equal(await faultsAfter((path) => chmodSync(path(seed), 0o644)), [
    `${seed} has another mode than files.txt states`,
  ]);
  const key = "installation/tls/server.key";
  assert.equal(await faultsAfter((path) => chmodSync(path(key), 0o640)), [`${key} is open to other users`]);
  assert.match(
    (await faultsAfter((path) => writeFileSync(path("client/notes"), ""))).join(),
    "client/notes belongs to no host",
  );
  const named = (path: (name: string) => string) =>
    writeFileSync(path("site.yaml"), readFileSync(path("site.yaml"), "utf8").replace("127.0.0.3", "127.0.0.4"));
  assert.match((await faultsAfter(named)).join(), "n3.crt is not for the name 127.0.0.4");
});

test("cb-admin site check ends with 78 when there is a fault, and with 0 otherwise", async () => {
  const run = (folder: string, ...more: string[]) => stack.run("cb-admin", ["site", "check", folder, ...more]);
  const fine = await run(good);
  assert.is(fine.code, 0, fine.stderr);
  assert.match(fine.stdout, /no faults\n$/);
  await faultsAfter((path) => rmSync(path("client/etc/xdg/container-builder/ca.crt")));
  const { code, stdout } = await run(bad, "--json");
  assert.is(code, 78);
  assert.is(JSON.parse(stdout).faults.length, 1);
});

test.run();

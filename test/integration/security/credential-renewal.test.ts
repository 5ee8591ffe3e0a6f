/** The queue renews the credential of a user who uses it, and the client stores it: on a real nats-server. */
import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { storeRenewed } from "../../../lib/cli/renewed-credential.ts";
import { systemClock } from "../../../lib/core/clock.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { createLogger } from "../../../lib/core/log.ts";
import { formatCreds, parseCreds } from "../../../lib/nats/credentials/creds.ts";
import { readKeyFile } from "../../../lib/nats/credentials/issuer.ts";
import { readClaims, userJwt } from "../../../lib/nats/credentials/jwt.ts";
import { createKey, type NKey } from "../../../lib/nats/credentials/nkey.ts";
import { userPermissions } from "../../../lib/protocol/permissions.ts";
import { CredentialRenewal } from "../../../lib/queue/users/credential-renewal.ts";
import { Users } from "../../../lib/queue/users/users.ts";
import { startTestNats, type TestNats } from "../../support/nats/nats.ts";
import { rejection } from "../../support/rejection.ts";

const log = createLogger({ name: "test", level: "silent" });

interface World {
  nats: TestNats;
  folder: string;
  users: Users;
  renewal: CredentialRenewal;
}

const test = suite<World>("credential renewal");

test.before(async (world) => {
  world.nats = await startTestNats();
  world.folder = await mkdtemp(join(tmpdir(), "cb-"));
  world.users = await openUsers(world.nats);
  const { issuer } = world.nats;
  world.renewal = new CredentialRenewal({ users: world.users, issuer, clock: systemClock, log });
});
test.after(async ({ nats, folder }) => {
  await nats?.stop();
  await rm(folder, { recursive: true, force: true });
});

const openUsers = async (nats: TestNats) => Users.open({ nc: await nats.core(), replicas: 1, clock: systemClock, log });

/** A JWT as an earlier queue signed it: with the verb `reserve` alone, by this key. */
async function earlierJwt({ installation }: TestNats, name: string, key: NKey, signer?: NKey): Promise<string> {
  const rights = { ...userPermissions(name, key.publicKey), pub: { allow: [`queue.reserve.${name}`] } };
  const signingKey = signer ?? (await readKeyFile(installation.files.guestSigningSeed));
  return userJwt({ name, publicKey: key.publicKey, issuedAtMs: Date.now() }, rights, signingKey, installation.guest);
}

async function added({ users }: World, name: string): Promise<NKey> {
  const key = createKey("user");
  await users.add(name, key.publicKey);
  return key;
}

/** The file and the lines that were printed about it. */
async function stored(world: World, { key, old, jwt }: { key: NKey; old: string; jwt: string }, path: string) {
  const { nats } = world;
  writeFileSync(path, formatCreds(old, key), { mode: 0o640 });
  const address = {
    url: nats.url,
    servername: nats.installation.serverName,
    ca: readFileSync(nats.installation.files.caFile, "utf8"),
  };
  const lines: string[] = [];
  await storeRenewed({ credential: { jwt: old, key, path }, address, user: "it" }, jwt, (line) => lines.push(line));
  return lines.join("\n");
}

test("a JWT of other rights or of another signing key is renewed, a current one is not", async (world) => {
  const { nats, users, renewal } = world;
  const key = await added(world, "ada");
  const current = nats.issuer.userJwt("ada", key.publicKey);
  assert.equal(await renewal.renew("ada", current), {});
  assert.is(users.all().find(({ name }) => name === "ada")?.renewedAtMs, undefined);
  for (const old of [await earlierJwt(nats, "ada", key), await earlierJwt(nats, "ada", key, createKey("account"))]) {
    const { renewedCredential = "" } = await renewal.renew("ada", old);
    const { jti: _, iat: issued, ...claims } = readClaims(renewedCredential);
    const { jti: __, iat: ___, ...wanted } = readClaims(current);
    assert.equal(claims, wanted);
    assert.ok((users.all().find(({ name }) => name === "ada")?.renewedAtMs ?? 0) >= issued * 1000);
  }
});

test("a user may be added again with the same key, because a reply may be lost, and not with another one", async (world) => {
  const { users } = world;
  const { publicKey } = await added(world, "gina");
  await users.add("gina", publicKey);
  const error = await rejection(users.add("gina", createKey("user").publicKey));
  assert.match(error instanceof CbError ? error.message : "", /there is a user gina already/);
});

test("no JWT is issued to a user who is not on the list, for another key, for a text that is none, or without one", async (world) => {
  const { nats, renewal } = world;
  const other = await earlierJwt(nats, "bob", createKey("user"));
  assert.equal(await renewal.renew("nobody", other), {});
  await added(world, "bob");
  for (const jwt of [other, "x.y.z", "", undefined]) assert.equal(await renewal.renew("bob", jwt), {});
});

test("a revoked user gets no JWT, also when this queue has not heard of the revocation", async (world) => {
  const { nats, renewal } = world;
  const key = await added(world, "carol");
  const old = await earlierJwt(nats, "carol", key);
  const elsewhere = await openUsers(nats);
  await elsewhere.revoke("carol");
  assert.equal(await renewal.renew("carol", old), {});
});

test("a revocation covers the newest JWT, also after the clock was set back", async (world) => {
  const { users } = world;
  const { publicKey } = await added(world, "dan");
  const atMs = Date.now() + 60_000;
  assert.is(await users.recordRenewal("dan", { publicKey, atMs }), true);
  assert.is((await users.revoke("dan")).revokedAtMs, atMs);
});

test("the client stores the new JWT with its old key, keeps the file's mode, and follows a link", async (world) => {
  const { nats, folder } = world;
  const key = await added(world, "eve");
  const old = await earlierJwt(nats, "eve", key);
  const jwt = nats.issuer.userJwt("eve", key.publicKey);
  const [path, link] = [join(folder, "eve.creds"), join(folder, "link.creds")];
  symlinkSync(path, link);
  assert.is(await stored(world, { key, old, jwt }, link), `the queue has renewed your credential; stored in ${link}`);
  const creds = parseCreds(readFileSync(path, "utf8"), path);
  assert.equal([creds.jwt, creds.key.seed()], [jwt, key.seed()]);
  assert.is(statSync(path).mode & 0o777, 0o640);
});

test("the client keeps its file when NATS refuses the new JWT, or it is for another key", async (world) => {
  const { nats, folder } = world;
  const key = await added(world, "mallory");
  const old = await earlierJwt(nats, "mallory", key);
  const path = join(folder, "mallory.creds");
  const forged = await earlierJwt(nats, "mallory", key, createKey("account"));
  const foreign = nats.issuer.userJwt("mallory", createKey("user").publicKey);
  for (const jwt of [forged, foreign, "x.y.z"]) {
    assert.match(await stored(world, { key, old, jwt }, path), /^warning: .*mallory\.creds keeps the old one/);
    assert.is(parseCreds(readFileSync(path, "utf8"), path).jwt, old);
  }
});

test("a file that another program has replaced meanwhile stays as it is", async (world) => {
  const { nats, folder } = world;
  const key = await added(world, "frank");
  const jwt = nats.issuer.userJwt("frank", key.publicKey);
  const path = join(folder, "frank.creds");
  const address = { url: nats.url, servername: nats.installation.serverName };
  const newer = formatCreds(jwt, key);
  writeFileSync(path, newer);
  chmodSync(path, 0o600);
  const ca = readFileSync(nats.installation.files.caFile, "utf8");
  const credential = { jwt: await earlierJwt(nats, "frank", key), key, path };
  const lines: string[] = [];
  await storeRenewed({ credential, address: { ...address, ca }, user: "frank" }, jwt, (line) => lines.push(line));
  assert.equal(lines, []);
  assert.is(readFileSync(path, "utf8"), newer);
});

test.run();

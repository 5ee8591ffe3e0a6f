import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fmtCreds, parseCreds as theirParse } from "@nats-io/jwt";
import { fromSeed } from "nkeys.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { formatCreds, parseCreds, readCreds, writeCreds } from "../../../../lib/nats/credentials/creds.ts";
import { userJwt } from "../../../../lib/nats/credentials/jwt.ts";
import { createKey } from "../../../../lib/nats/credentials/nkey.ts";

const creds = suite("creds");

const folder = await mkdtemp(join(tmpdir(), "cb-creds-"));
creds.after(() => rm(folder, { recursive: true, force: true }));

const account = createKey("account");
const key = createKey("user");
const EXPIRES_MS = 1_800_000_000_000;
const about = { name: "alice", publicKey: key.publicKey, issuedAtMs: 0, expiresAtMs: EXPIRES_MS };
const jwt = userJwt(about, {}, account, account.publicKey);
const text = formatCreds(jwt, key);

async function failure(path: string, nowMs = 0): Promise<CbError> {
  const error = await readCreds(path, nowMs).catch((caught: unknown) => caught);
  assert.ok(error instanceof CbError);
  return error as CbError;
}

creds("formatCreds() writes what @nats-io/jwt reads", async () => {
  const theirs = await theirParse(Buffer.from(text));
  assert.is(theirs.jwt, jwt);
  assert.is(theirs.key, key.seed());
});

creds("parseCreds() reads what @nats-io/jwt writes, and files with CR LF", () => {
  const theirs = Buffer.from(fmtCreds(jwt, fromSeed(Buffer.from(key.seed())) as never)).toString();
  for (const one of [theirs, theirs.replaceAll("\n", "\r\n")]) {
    const read = parseCreds(one, "x");
    assert.is(read.jwt, jwt);
    assert.is(read.key.publicKey, key.publicKey);
    assert.is(read.name, "alice");
    assert.is(read.expiresAtMs, EXPIRES_MS);
  }
});

creds("writeCreds() makes a file of mode 0600 and leaves nothing beside it, also over an old one", async () => {
  const path = join(folder, "written", "a.creds");
  const missing = await writeCreds(path, text).catch((error: unknown) => error);
  assert.ok(missing instanceof CbError && missing.kind === "config");
  const here = join(folder, "a.creds");
  await writeFile(here, "old", { mode: 0o644 });
  await writeCreds(here, text);
  assert.is((await stat(here)).mode & 0o777, 0o600);
  assert.equal(await readdir(folder), ["a.creds"]);
  assert.is((await readCreds(here, 0)).name, "alice");
  await rm(here);
});

creds("readCreds() says expired at exactly the expiry, and not a millisecond before", async () => {
  const path = join(folder, "expires.creds");
  await writeCreds(path, text);
  assert.is((await readCreds(path, EXPIRES_MS - 1)).name, "alice");
  const expired = await failure(path, EXPIRES_MS);
  assert.is(expired.kind, "denied");
  assert.match(expired.message, "2027-01-15T08:00:00.000Z");
});

creds("readCreds() says missing, a directory, too long, no credential, and a seed of somebody else", async () => {
  assert.match((await failure(join(folder, "none"))).message, /there is no credential file/);
  assert.match((await failure(folder)).message, /cannot read/);
  const cases = [
    ["x".repeat(70_000), /longer than/],
    ["hello", /lacks the JWT or the seed/],
    [text.replace(key.seed(), createKey("user").seed()), /another key/],
    [text.replace(key.seed(), "SUAAA"), /not an nkey seed/],
    [text.replace(jwt, "a.b.c"), /not a NATS JWT/],
  ] as const;
  for (const [content, why] of cases) {
    const path = join(folder, "bad.creds");
    await writeFile(path, content);
    const error = await failure(path);
    assert.is(error.kind, "config");
    assert.match(error.message, why);
    assert.not.match(`${error.message} ${error.hint}`, key.seed());
  }
});

creds.run();

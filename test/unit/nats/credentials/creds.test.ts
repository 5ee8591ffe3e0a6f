import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fmtCreds, parseCreds as parseWithNatsJwt } from "@nats-io/jwt";
import { fromSeed } from "nkeys.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { formatCreds, parseCreds, readCreds } from "../../../../lib/nats/credentials/creds.ts";
import { userJwt } from "../../../../lib/nats/credentials/jwt.ts";
import { createKey } from "../../../../lib/nats/credentials/nkey.ts";
import { writeSecretFile } from "../../../../lib/nats/credentials/secret-file.ts";
import { rejection } from "../../../support/rejection.ts";

const test = suite("creds");

const folder = await mkdtemp(join(tmpdir(), "cb-creds-"));
test.after(() => rm(folder, { recursive: true, force: true }));

const account = createKey("account");
const key = createKey("user");
const EXPIRES_MS = 1_800_000_000_000;
const about = { name: "alice", publicKey: key.publicKey, issuedAtMs: 0, expiresAtMs: EXPIRES_MS };
const jwt = userJwt(about, {}, account, account.publicKey);
const text = formatCreds(jwt, key);

async function failure(path: string, nowMs = 0): Promise<CbError> {
  const error = await rejection(readCreds(path, nowMs));
  if (!(error instanceof CbError)) assert.unreachable(`not a CbError: ${error}`);
  return error as CbError;
}

test("@nats-io/jwt reads the output of formatCreds()", async () => {
  const parsed = await parseWithNatsJwt(Buffer.from(text));
  assert.is(parsed.jwt, jwt);
  assert.is(parsed.key, key.seed());
});

test("parseCreds() reads the output of @nats-io/jwt, with LF and with CR LF", () => {
  const formatted = Buffer.from(fmtCreds(jwt, fromSeed(Buffer.from(key.seed())) as never)).toString();
  for (const content of [formatted, formatted.replaceAll("\n", "\r\n")]) {
    const read = parseCreds(content, "x");
    assert.is(read.jwt, jwt);
    assert.is(read.key.publicKey, key.publicKey);
    assert.is(read.name, "alice");
    assert.is(read.expiresAtMs, EXPIRES_MS);
  }
});

test("writeSecretFile() replaces a file, sets mode 0600 and leaves no temporary file", async () => {
  const missing = await rejection(writeSecretFile(join(folder, "missing", "a.creds"), text));
  assert.is((missing as NodeJS.ErrnoException).code, "ENOENT");
  const path = join(folder, "a.creds");
  await writeFile(path, "old", { mode: 0o644 });
  await writeSecretFile(path, text);
  assert.is((await stat(path)).mode & 0o777, 0o600);
  assert.equal(await readdir(folder), ["a.creds"]);
  assert.is((await readCreds(path, 0)).name, "alice");
  await rm(path);
});

test("readCreds() refuses a credential at exactly its expiry, and accepts it 1 ms before", async () => {
  const path = join(folder, "expires.creds");
  await writeSecretFile(path, text);
  assert.is((await readCreds(path, EXPIRES_MS - 1)).name, "alice");
  const expired = await failure(path, EXPIRES_MS);
  assert.is(expired.kind, "denied");
  assert.match(expired.message, "2027-01-15T08:00:00.000Z");
});

test("readCreds() names the problem: missing, a directory, too long, no credential, or the seed of another key", async () => {
  assert.match((await failure(join(folder, "none"))).message, /there is no credential file/);
  assert.match((await failure(folder)).message, /cannot read/);
  const cases = [
    ["x".repeat(70_000), /longer than/],
    ["hello", /lacks the JWT or the seed/],
    [text.replace(key.seed(), createKey("user").seed()), /another key/],
    [text.replace(key.seed(), "SUAAA"), /not an nkey seed/],
    [text.replace(jwt, "a.b.c"), /not a NATS JWT/],
  ] as const;
  for (const [content, message] of cases) {
    const path = join(folder, "bad.creds");
    await writeFile(path, content);
    const error = await failure(path);
    assert.is(error.kind, "config");
    assert.match(error.message, message);
    assert.not.match(`${error.message} ${error.hint}`, key.seed());
  }
});

test.run();

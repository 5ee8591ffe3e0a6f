import { decode, type User } from "@nats-io/jwt";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { parseCreds } from "../../../../lib/nats/credentials/creds.ts";
import { Issuer, readKeyFile } from "../../../../lib/nats/credentials/issuer.ts";
import { createKey } from "../../../../lib/nats/credentials/nkey.ts";
import { builderPermissions, buildPermissions, userPermissions } from "../../../../lib/protocol/permissions.ts";

const test = suite("issuer");

const ID = "e6a0cd58-255c-4f17-b0df-51c5b0120d07";
const NOW_MS = 1_700_000_000_000;
const [guest, signingKey] = [createKey("account"), createKey("account")];
const guestIssuer = new Issuer({ guestAccount: guest.publicKey, signingKey, nowMs: () => NOW_MS });

test("buildJwt() has that key, build, role and expiry, and the signing key of the account signs it", () => {
  const { publicKey } = createKey("user");
  const grant = { build: ID, role: "agent", publicKey, expiresAtMs: NOW_MS + 60_000 } as const;
  const claims = decode<User>(guestIssuer.buildJwt(grant));
  assert.is(claims.sub, publicKey);
  assert.is(claims.iss, signingKey.publicKey);
  assert.is(claims.nats.issuer_account, guest.publicKey);
  assert.is(claims.exp, (NOW_MS + 60_000) / 1000);
  assert.is(claims.name, `agent ${ID}`);
  assert.equal(claims.nats.pub, buildPermissions("agent", { build: ID }, publicKey).pub);
  assert.is(guestIssuer.buildJwt(grant), guestIssuer.buildJwt(grant));
});

test("userCreds() and builderCreds() make complete credentials with the rights of that user or builder", () => {
  const user = guestIssuer.userCreds("alice");
  const read = parseCreds(user.creds, "issued");
  assert.is(read.key.publicKey, user.publicKey);
  assert.is(read.expiresAtMs, undefined);
  assert.equal(decode<User>(read.jwt).nats.pub, userPermissions("alice", user.publicKey).pub);
  const builder = guestIssuer.builderCreds(ID, NOW_MS + 1000);
  const readBuilder = parseCreds(builder.creds, "issued");
  assert.is(readBuilder.expiresAtMs, NOW_MS + 1000);
  assert.equal(decode<User>(readBuilder.jwt).nats.pub, builderPermissions(ID, builder.publicKey).pub);
});

test("buildJwt() makes a JWT below 4 KiB, which fits well into a CONNECT line", () => {
  const { publicKey } = createKey("user");
  for (const role of ["caller", "agent"] as const) {
    assert.ok(guestIssuer.buildJwt({ build: ID, role, publicKey, expiresAtMs: NOW_MS }).length < 4096);
  }
});

test("readKeyFile() names the file when it is missing or has no seed", async () => {
  for (const path of ["/nowhere/key.seed", import.meta.filename]) {
    const error = await readKeyFile(path).catch((caught: unknown) => caught);
    assert.ok(error instanceof CbError && error.kind === "config" && error.message.includes(path));
  }
});

test.run();

import { decode } from "@nats-io/jwt";
import { fromPublic } from "nkeys.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { guestAccount } from "../../../../lib/nats/credentials/accounts.ts";
import { accountJwt, readClaims } from "../../../../lib/nats/credentials/jwt.ts";
import { createKey } from "../../../../lib/nats/credentials/nkey.ts";
import { mergeRevocations, revocationsOf, withRevocations } from "../../../../lib/nats/credentials/revocation.ts";

const test = suite("revocation");

const operatorKey = createKey("operator");
const account = createKey("account");
const core = createKey("account").publicKey;
const [alice, bob] = [createKey("user").publicKey, createKey("user").publicKey];
const limits = { guestConnections: 10, coreConnections: 10 };
const about = { name: "GUEST", publicKey: account.publicKey, issuedAtMs: 5_000_000 };
const made = accountJwt(about, guestAccount(account.publicKey, core, limits), operatorKey);

test("withRevocations() adds a revocation and changes nothing else of the account", () => {
  const jwt = withRevocations(made, { [alice]: 7_999 }, { operatorKey, nowMs: 8_000_000 });
  const [before, after] = [readClaims(made), readClaims(jwt)];
  assert.equal(after.nats, { ...before.nats, revocations: { [alice]: 7_999 } });
  assert.equal(
    [after.name, after.sub, after.iss, after.iat],
    ["GUEST", account.publicKey, operatorKey.publicKey, 8_000],
  );
  assert.is(decode(jwt).sub, account.publicKey);
  const [header, claims, signature = ""] = jwt.split(".");
  const signed = Buffer.from(`${header}.${claims}`);
  assert.ok(fromPublic(operatorKey.publicKey).verify(signed, Buffer.from(signature, "base64url")));
});

test("withRevocations() keeps existing revocations, and the later time of a key", () => {
  const signing = { operatorKey, nowMs: 8_000_000 };
  const one = withRevocations(made, { [alice]: 7_000 }, signing);
  const two = withRevocations(one, { [bob]: 7_500, [alice]: 6_000 }, signing);
  assert.equal(revocationsOf(two), { [alice]: 7_000, [bob]: 7_500 });
});

test("withRevocations() returns the JWT itself if it has all these revocations", () => {
  const signing = { operatorKey, nowMs: 8_000_000 };
  const jwt = withRevocations(made, { [alice]: 7_000 }, signing);
  assert.is(withRevocations(jwt, { [alice]: 7_000 }, signing), jwt);
  assert.is.not(withRevocations(jwt, { [alice]: 7_001 }, signing), jwt);
  assert.is.not(withRevocations(jwt, { [alice]: 7_000, [bob]: 0 }, signing), jwt);
});

test("withRevocations() issues the JWT a second after the old one when the clock is behind", () => {
  const jwt = withRevocations(made, { [alice]: 1 }, { operatorKey, nowMs: 1_000 });
  assert.is(readClaims(jwt).iat, 5_001);
});

test("mergeRevocations() keeps the later time of each key", () => {
  assert.equal(mergeRevocations({ a: 1, b: 5 }, { b: 3, c: 0 }), { a: 1, b: 5, c: 0 });
});

test.run();

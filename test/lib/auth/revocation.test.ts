import { decode } from "@nats-io/jwt";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { guestAccount } from "../../../lib/auth/accounts.ts";
import { accountJwt, readClaims } from "../../../lib/auth/jwt.ts";
import { createKey, verifySignature } from "../../../lib/auth/nkey.ts";
import { isRevoked, withRevocation } from "../../../lib/auth/revocation.ts";

const test = suite("revocation");

const operatorKey = createKey("operator");
const account = createKey("account");
const core = createKey("account").publicKey;
const [alice, bob] = [createKey("user").publicKey, createKey("user").publicKey];
const limits = { guestConnections: 10, coreConnections: 10 };
const about = { name: "GUEST", publicKey: account.publicKey, issuedAtMs: 5_000_000 };
const made = accountJwt(about, guestAccount(account.publicKey, core, limits), operatorKey);

test("withRevocation() revokes up to the second, and leaves all else of the account as it was", () => {
  const jwt = withRevocation(made, { publicKey: alice, atMs: 7_999_999 }, { operatorKey, nowMs: 8_000_000 });
  const [before, after] = [readClaims(made), readClaims(jwt)];
  assert.equal(after.nats, { ...before.nats, revocations: { [alice]: 7_999 } });
  assert.equal(
    [after.name, after.sub, after.iss, after.iat],
    ["GUEST", account.publicKey, operatorKey.publicKey, 8_000],
  );
  assert.is(decode(jwt).sub, account.publicKey);
  const [header, claims, signature = ""] = jwt.split(".");
  assert.ok(
    verifySignature(operatorKey.publicKey, Buffer.from(`${header}.${claims}`), Buffer.from(signature, "base64url")),
  );
});

test("withRevocation() keeps earlier revocations, and never an earlier time for the same key", () => {
  const signing = { operatorKey, nowMs: 8_000_000 };
  const one = withRevocation(made, { publicKey: alice, atMs: 7_000_000 }, signing);
  const two = withRevocation(one, { publicKey: bob, atMs: 7_500_000 }, signing);
  const three = withRevocation(two, { publicKey: alice, atMs: 6_000_000 }, signing);
  assert.equal(readClaims(three).nats.revocations, { [alice]: 7_000, [bob]: 7_500 });
});

test("withRevocation() issues a second later than before, also when the clock is behind", () => {
  const jwt = withRevocation(made, { publicKey: alice, atMs: 1_000 }, { operatorKey, nowMs: 1_000 });
  assert.is(readClaims(jwt).iat, 5_001);
});

test("isRevoked() is true for what was issued up to the second", () => {
  const jwt = withRevocation(made, { publicKey: alice, atMs: 7_000_000 }, { operatorKey, nowMs: 8_000_000 });
  assert.ok(isRevoked(jwt, { publicKey: alice, atMs: 7_000_999 }));
  assert.not(isRevoked(jwt, { publicKey: alice, atMs: 7_001_000 }));
  assert.not(isRevoked(jwt, { publicKey: bob, atMs: 0 }));
  assert.not(isRevoked(made, { publicKey: alice, atMs: 0 }));
});

test.run();

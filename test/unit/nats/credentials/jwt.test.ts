import { decode, type User } from "@nats-io/jwt";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { accountJwt, operatorJwt, readClaims, userJwt } from "../../../../lib/nats/credentials/jwt.ts";
import { createKey } from "../../../../lib/nats/credentials/nkey.ts";

const test = suite("jwt");

const [operator, account, signing, user] = [
  createKey("operator"),
  createKey("account"),
  createKey("account"),
  createKey("user"),
];
const about = {
  name: "alice",
  publicKey: user.publicKey,
  issuedAtMs: 1_700_000_000_999,
  expiresAtMs: 1_700_000_100_999,
};

test("userJwt() makes a JWT that @nats-io/jwt verifies, with whole seconds and every limit", () => {
  const claims = decode<User>(userJwt(about, { pub: { allow: ["a"] }, subs: 3 }, signing, account.publicKey));
  assert.is(claims.iss, signing.publicKey);
  assert.is(claims.sub, user.publicKey);
  assert.is(claims.iat, 1_700_000_000);
  assert.is(claims.exp, 1_700_000_100);
  assert.equal(claims.nats, {
    subs: 3,
    data: -1,
    payload: -1,
    pub: { allow: ["a"] },
    issuer_account: account.publicKey,
    type: "user",
    version: 2,
  });
});

test("userJwt() writes no nbf, no exp without an expiry, and no issuer_account if the account signs", () => {
  const { expiresAtMs: _, ...forever } = about;
  const claims = readClaims(userJwt(forever, {}, account, account.publicKey));
  assert.equal(Object.keys(claims).sort(), ["iat", "iss", "jti", "name", "nats", "sub"]);
  assert.not("issuer_account" in claims.nats);
});

test("userJwt() is deterministic, and its jti changes with the claims", () => {
  const one = userJwt(about, {}, signing, account.publicKey);
  assert.is(userJwt(about, {}, signing, account.publicKey), one);
  const other = userJwt({ ...about, name: "bob" }, {}, signing, account.publicKey);
  assert.is.not(readClaims(other).jti, readClaims(one).jti);
});

test("@nats-io/jwt verifies the output of operatorJwt() and accountJwt()", () => {
  const self = { name: "op", publicKey: operator.publicKey, issuedAtMs: 0 };
  assert.is(decode(operatorJwt(self, { system_account: account.publicKey }, operator)).sub, operator.publicKey);
  const core = { name: "CORE", publicKey: account.publicKey, issuedAtMs: 0 };
  assert.is(decode(accountJwt(core, {}, operator)).iss, operator.publicKey);
});

test("readClaims() refuses a text that is not a NATS JWT", () => {
  const good = userJwt(about, {}, signing, account.publicKey);
  const [header = "", body = "", signature = ""] = good.split(".");
  const jwtOf = (claims: object) =>
    `${header}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`;
  const bad = ["", "a.b.c", `${header}.${body}`, `${good}.x`, `x.${body}.${signature}`, `${header}.!!.${signature}`];
  const claims = { ...readClaims(good) };
  const badClaims = [
    { ...claims, exp: "1" },
    { ...claims, sub: 1 },
    { ...claims, nats: null },
    { ...claims, iat: 1.5 },
  ];
  for (const text of [...bad, ...badClaims.map(jwtOf)]) {
    assert.throws(
      () => readClaims(text),
      (error: unknown) => error instanceof CbError && error.kind === "config",
    );
  }
});

test.run();

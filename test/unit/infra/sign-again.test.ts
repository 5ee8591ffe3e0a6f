import { suite } from "uvu";
import * as assert from "uvu/assert";
import { signedAgain } from "../../../infra/nats/sign-again.ts";
import { formatCreds, parseCreds } from "../../../lib/nats/credentials/creds.ts";
import { readClaims, userJwt } from "../../../lib/nats/credentials/jwt.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { operatorPermissions, type Rights } from "../../../lib/protocol/permissions.ts";

const test = suite("sign again");

const [account, signingKey, key] = [createKey("account").publicKey, createKey("account"), createKey("user")];
const signer = { signingKey, account, nowMs: 2_000_000 };
const credsWith = (rights: Rights, by = signingKey) => {
  const jwt = userJwt({ name: "ada", publicKey: key.publicKey, issuedAtMs: 1_000_000 }, rights, by, account);
  return { path: "ada.creds", text: formatCreds(jwt, key), rights: operatorPermissions };
};

test("signedAgain() keeps a credential with the rights and the signer of today", () => {
  assert.is(signedAgain(credsWith(operatorPermissions("ada", key.publicKey)), signer), undefined);
});

test("signedAgain() gives the rights of today to the same key, and signs with the new key", () => {
  const rights = operatorPermissions("ada", key.publicKey);
  const fewer = { ...rights, pub: { allow: ["admin.users.ada"] } };
  for (const old of [credsWith(fewer), credsWith(rights, createKey("account"))]) {
    const creds = parseCreds(signedAgain(old, signer) ?? "", "new");
    const claims = readClaims(creds.jwt);
    assert.equal([creds.key.seed(), creds.name], [key.seed(), "ada"]);
    assert.equal([claims.iss, claims.iat, claims.nats.pub], [signingKey.publicKey, 2_000, rights.pub]);
  }
});

test.run();

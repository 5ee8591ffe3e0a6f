import { createAccount, createOperator, createUser, fromPublic, fromSeed } from "nkeys.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { createKey, isPublicKey, type KeyRole, keyFromSeed, NKey } from "../../../../lib/nats/credentials/nkey.ts";

const test = suite("nkey");

const bytes = (text: string) => new TextEncoder().encode(text);
/** How nkeys.js creates a key of each role. */
const CREATE = { operator: createOperator, account: createAccount, user: createUser };
const ROLES = Object.keys(CREATE) as KeyRole[];

test("nkeys.js reads the public key, seed and signature of createKey(), for each role", () => {
  for (const role of ROLES) {
    const key = createKey(role);
    assert.is(fromSeed(bytes(key.seed())).getPublicKey(), key.publicKey);
    assert.is(key.publicKey[0], role[0]?.toUpperCase());
    assert.ok(fromPublic(key.publicKey).verify(bytes("nonce"), key.sign(bytes("nonce"))));
  }
});

test("keyFromSeed() reads a seed of nkeys.js, and the key signs as nkeys.js does", () => {
  for (const role of ROLES) {
    const pair = CREATE[role]();
    const seed = new TextDecoder().decode(pair.getSeed());
    const key = keyFromSeed(seed);
    assert.is(key.role, role);
    assert.is(key.publicKey, pair.getPublicKey());
    assert.is(key.seed(), seed);
    assert.equal(new Uint8Array(key.sign(bytes("x"))), new Uint8Array(pair.sign(bytes("x"))));
    assert.not(pair.verify(bytes("y"), key.sign(bytes("x"))));
  }
});

test("the key of RFC 8032, test 1, makes the signature given there", () => {
  const key = new NKey("user", Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex"));
  const signature =
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
  assert.is(key.sign(Buffer.alloc(0)).toString("hex"), signature);
  assert.ok(fromPublic(key.publicKey).verify(Buffer.alloc(0), Buffer.from(signature, "hex")));
});

test("keyFromSeed() refuses a damaged, truncated, lower-case or public key, and does not repeat it", () => {
  const { publicKey } = createKey("user");
  const seed = createKey("user").seed();
  const damaged = seed.slice(0, 20) + (seed[20] === "A" ? "B" : "A") + seed.slice(21);
  for (const text of ["", "SU", damaged, seed.slice(0, -1), seed.toLowerCase(), publicKey, `${seed}A`]) {
    try {
      keyFromSeed(text);
      assert.unreachable(text);
    } catch (error) {
      assert.ok(error instanceof CbError && error.kind === "config");
      assert.ok(text.length < 10 || !`${error.message}${error.hint}`.includes(text));
    }
  }
});

test("isPublicKey() accepts only a complete key of that role", () => {
  const { publicKey } = createKey("user");
  assert.ok(isPublicKey(publicKey, "user"));
  assert.not(isPublicKey(publicKey, "account"));
  assert.not(isPublicKey(publicKey.slice(0, -1), "user"));
  assert.not(isPublicKey(`${publicKey} `, "user"));
  assert.not(isPublicKey(`${publicKey.slice(0, 55)}${publicKey.endsWith("A") ? "B" : "A"}`, "user"));
  assert.not(isPublicKey(undefined, "user"));
});

test("a key's JSON and enumerable fields do not have its private half", () => {
  const key = createKey("user");
  assert.equal(JSON.parse(JSON.stringify(key)), { role: "user", publicKey: key.publicKey });
  assert.equal(Object.keys(key).sort(), ["publicKey", "role"]);
});

test.run();

import { createAccount, createOperator, createUser, fromPublic, fromSeed } from "nkeys.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import {
  createKey,
  isPublicKey,
  type KeyRole,
  keyFromSeed,
  NKey,
  verifySignature,
} from "../../../../lib/nats/credentials/nkey.ts";

const nkey = suite("nkey");

const bytes = (text: string) => new TextEncoder().encode(text);
const THEIRS = { operator: createOperator, account: createAccount, user: createUser };
const ROLES = Object.keys(THEIRS) as KeyRole[];

nkey("createKey() makes what nkeys.js reads: public key, seed and signature, for each role", () => {
  for (const role of ROLES) {
    const ours = createKey(role);
    const theirs = fromSeed(bytes(ours.seed()));
    assert.is(theirs.getPublicKey(), ours.publicKey);
    assert.is(ours.publicKey[0], role[0]?.toUpperCase());
    assert.ok(fromPublic(ours.publicKey).verify(bytes("nonce"), ours.sign(bytes("nonce"))));
  }
});

nkey("keyFromSeed() reads what nkeys.js makes, and verifySignature() takes its signatures", () => {
  for (const role of ROLES) {
    const theirs = THEIRS[role]();
    const ours = keyFromSeed(new TextDecoder().decode(theirs.getSeed()));
    assert.is(ours.role, role);
    assert.is(ours.publicKey, theirs.getPublicKey());
    assert.is(ours.seed(), new TextDecoder().decode(theirs.getSeed()));
    assert.ok(verifySignature(theirs.getPublicKey(), bytes("x"), theirs.sign(bytes("x"))));
    assert.not(verifySignature(theirs.getPublicKey(), bytes("y"), theirs.sign(bytes("x"))));
  }
});

nkey("a key made of the bytes of RFC 8032, test 1, has its signature", () => {
  const key = new NKey("user", Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex"));
  const signature =
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
  assert.is(key.sign(Buffer.alloc(0)).toString("hex"), signature);
  assert.ok(verifySignature(key.publicKey, Buffer.alloc(0), Buffer.from(signature, "hex")));
});

nkey("keyFromSeed() refuses a damaged, a cut, a lower-case and a public text without repeating it", () => {
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

nkey("isPublicKey() takes only the whole key of that role", () => {
  const { publicKey } = createKey("user");
  assert.ok(isPublicKey(publicKey, "user"));
  assert.not(isPublicKey(publicKey, "account"));
  assert.not(isPublicKey(publicKey.slice(0, -1), "user"));
  assert.not(isPublicKey(`${publicKey} `, "user"));
  assert.not(isPublicKey(`${publicKey.slice(0, 55)}${publicKey.endsWith("A") ? "B" : "A"}`, "user"));
  assert.not(isPublicKey(undefined, "user"));
});

nkey("a key shows its private half neither to JSON nor to a logger's enumeration", () => {
  const key = createKey("user");
  assert.equal(JSON.parse(JSON.stringify(key)), { role: "user", publicKey: key.publicKey });
});

nkey.run();

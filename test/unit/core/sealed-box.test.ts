import { createPrivateKey } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  createSealingKey,
  open,
  parseSealingKeys,
  type SealedBox,
  seal,
  sealingKeyId,
  sealingKeyPem,
} from "../../../lib/core/sealed-box.ts";

const test = suite("sealed box");

const url = (hex: string): string => Buffer.from(hex, "hex").toString("base64url");
const USE = { purpose: "a test", context: "build 1" };
const PLAIN = Buffer.from("the password");

test("open() opens the box of RFC 9180, appendix A.2.1.1, sequence number 0", () => {
  const d = url("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
  const publicKey = url("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
  const privateKey = createPrivateKey({ format: "jwk", key: { kty: "OKP", crv: "X25519", d, x: publicKey } });
  const box: SealedBox = {
    keyId: sealingKeyId(publicKey),
    enc: url("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"),
    text: url("1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"),
  };
  const plain = open(box, { publicKey, privateKey }, { purpose: "Ode on a Grecian Urn", context: "Count-0" });
  assert.is(plain.toString(), "Beauty is truth, truth beauty");
});

test("a box opens for its key, purpose and context, and for no other", () => {
  const key = createSealingKey();
  const box = seal(PLAIN, key.publicKey, USE);
  assert.is(open(box, key, USE).toString(), "the password");
  assert.throws(() => open(box, key, { ...USE, context: "build 2" }), /belong to another build/);
  assert.throws(() => open(box, key, { ...USE, purpose: "another" }), /belong to another build/);
  assert.throws(() => open(box, createSealingKey(), USE), new RegExp(`sealed to the key ${box.keyId}`));
  assert.throws(() => open({ ...box, keyId: createSealingKey().publicKey }, key, USE), /sealed to the key/);
});

test("a changed box is refused: each of its parts, and one without a tag", () => {
  const key = createSealingKey();
  const box = seal(PLAIN, key.publicKey, USE);
  const flip = (text: string): string => {
    const bytes = Buffer.from(text, "base64url");
    bytes[3] = (bytes[3] ?? 0) ^ 1;
    return bytes.toString("base64url");
  };
  assert.throws(() => open({ ...box, text: flip(box.text) }, key, USE), /were changed/);
  assert.throws(() => open({ ...box, enc: flip(box.enc) }, key, USE), /were changed/);
  for (const text of ["", url("00".repeat(15)), url("00".repeat(16))])
    assert.throws(() => open({ ...box, text }, key, USE), /were changed/, text);
});

test("a key of another length and the point of order zero are refused", () => {
  const key = createSealingKey();
  const box = seal(PLAIN, key.publicKey, USE);
  for (const bytes of [0, 31, 33]) {
    assert.throws(() => seal(PLAIN, url("11".repeat(bytes)), USE), /32 bytes/);
    assert.throws(() => open({ ...box, enc: url("11".repeat(bytes)) }, key, USE), /32 bytes/);
  }
  assert.throws(() => seal(PLAIN, url("00".repeat(32)), USE), /not a usable sealing key/);
  assert.throws(() => open({ ...box, enc: url("00".repeat(32)) }, key, USE), /not a usable sealing key/);
});

test("two boxes of one message share neither key nor text", () => {
  const { publicKey } = createSealingKey();
  const [a, b] = [seal(PLAIN, publicKey, USE), seal(PLAIN, publicKey, USE)];
  assert.is.not(a.enc, b.enc);
  assert.is.not(a.text, b.text);
});

test("private keys survive their file, in their order; a key of another kind is refused", () => {
  const [key, older] = [createSealingKey(), createSealingKey()];
  const [read, ...others] = parseSealingKeys(sealingKeyPem(key));
  assert.is(read.publicKey, key.publicKey);
  assert.equal(others, []);
  assert.is(open(seal(PLAIN, key.publicKey, USE), read, USE).toString(), "the password");
  const both = parseSealingKeys(`${sealingKeyPem(key)}\n${sealingKeyPem(older)}`);
  assert.equal(
    both.map(({ publicKey }) => publicKey),
    [key.publicKey, older.publicKey],
  );
  assert.throws(() => parseSealingKeys("SUAxyz"));
  assert.throws(() =>
    parseSealingKeys(`${sealingKeyPem(key)}-----BEGIN PRIVATE KEY-----\nMC4\n-----END PRIVATE KEY-----`),
  );
});

test.run();

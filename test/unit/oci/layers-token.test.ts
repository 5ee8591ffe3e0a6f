import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createKey, isSignedBy } from "../../../lib/nats/credentials/nkey.ts";
import { grantIn, layersRepository, layersToken } from "../../../lib/oci/layers/token.ts";

const test = suite("layers-token");

const key = createKey("account");
const grant = { user: "ada", arch: "x86_64", build: "6b1f3a52-0d64-4c5e-9d57-2a1c3e4f5a6b", expiresAtMs: 1000 };
const token = layersToken(grant, (data) => key.sign(data));
const read = (text: string, nowMs = 0, publicKey = key.publicKey) =>
  grantIn(text, { isSigned: (data, signature) => isSignedBy(publicKey, data, signature), nowMs });

test("grantIn() reads what layersToken() has written, until it expires", () => {
  assert.equal(read(token, 999), { v: 1, ...grant });
  assert.is(read(token, 1000), undefined);
  assert.is(read(token, 0, createKey("account").publicKey), undefined);
});

test("grantIn() refuses a token in which any character is another", () => {
  for (let at = 0; at < token.length; at++) {
    // The last character of a signature has bits that are not part of it.
    if (at === token.length - 1) continue;
    const other = token[at] === "A" ? "B" : "A";
    assert.is(read(token.slice(0, at) + other + token.slice(at + 1)), undefined, String(at));
  }
  for (const text of ["", ".", `${token}.`, `${token}A`, `.${token}`, "x".repeat(5000)])
    assert.is(read(text), undefined);
});

test("grantIn() refuses a signature of a text of another kind, and fields that it does not know", () => {
  const [payload = ""] = token.split(".");
  const signed = (text: string, data: string) => `${text}.${key.sign(Buffer.from(data)).toString("base64url")}`;
  assert.is(read(signed(payload, payload)), undefined);
  const more = layersToken({ ...grant, repository: "x" } as typeof grant, (data) => key.sign(data));
  assert.is(read(more), undefined);
  const bad = layersToken({ ...grant, user: "../ada" }, (data) => key.sign(data));
  assert.is(read(bad), undefined);
});

test("layersRepository() has another name for each user and architecture, all valid in a registry", () => {
  const users = ["ada", "ada-", "_ada", "a--b", "a__b", "0"];
  const names = users.flatMap((user) => ["x86_64", "aarch64"].map((arch) => layersRepository({ user, arch })));
  assert.is(new Set(names).size, names.length);
  for (const name of names) assert.match(name, /^layers\/[0-9a-f]{64}\/[a-z0-9]+(?:_[a-z0-9]+)*$/);
});

test.run();

import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { chunkSubject, digestText, metaJson, metaSubject, parseMeta } from "../../../lib/protocol/object-layout.ts";

const test = suite("object layout");
const object = { nuid: "N1", sizeBytes: 3, chunks: 1, digest: digestText(createHash("sha256").update("abc").digest()) };

test("metaSubject() has the name in base64url with padding, as in the standard clients", () => {
  assert.is(metaSubject("build-1", "image"), "$O.build-1.M.aW1hZ2U=");
  assert.is(metaSubject("build-1", "\u00ff\u00fe?"), "$O.build-1.M.w7_Dvj8=");
});

test("digestText() is SHA-256 in the format of the object store", () => {
  assert.is(object.digest, "SHA-256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0=");
});

test("chunkSubject() throws on a text that is not a subject token", () => {
  for (const bad of ["", "a.b", "*", ">", "a b", "a\r\nPUB x 0\r\n", "x".repeat(65)]) {
    assert.throws(() => chunkSubject("build-1", bad), /not a valid name/);
    assert.throws(() => chunkSubject(bad, "N1"), /not a valid name/);
  }
});

test("parseMeta() reads the output of metaJson(), and returns undefined for a deleted object or an invalid field", () => {
  const json = JSON.parse(metaJson({ ...object, bucket: "build-1", name: "image", chunkBytes: 10 }));
  assert.equal(parseMeta(json), object);
  assert.is(parseMeta({ ...json, deleted: true }), undefined);
  assert.is(parseMeta({ ...json, nuid: "a.>" }), undefined);
  assert.is(parseMeta({ ...json, size: -1 }), undefined);
  assert.is(parseMeta({ ...json, digest: "MD5=abc" }), undefined);
  assert.is(parseMeta(undefined), undefined);
});

test.run();

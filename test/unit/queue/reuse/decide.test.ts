import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildRecord } from "../../../../lib/queue/builds/record.ts";
import { buildKey } from "../../../../lib/queue/reuse/build-key.ts";
import { CLIENTS_MAX, clientJoined, clientLeft, decideReuse, imageUsed } from "../../../../lib/queue/reuse/decide.ts";

const test = suite("reuse of builds");

const waiting: BuildRecord = {
  v: 1,
  build: "60c95481-92f3-4491-94d3-14c45bfbc279",
  user: "ada",
  name: "a.sif",
  request: "first",
  backend: "docker",
  pool: "p",
  state: "waiting",
  createdAtMs: 1,
  attempt: 0,
  same: "key",
};
const running: BuildRecord = { ...waiting, state: "leased", builderImage: "one" };
const digest = `SHA-256=${"a".repeat(43)}=`;
const ended: BuildRecord = { ...running, state: "ended", final: { v: 1, state: "succeeded", bytes: 1, digest } };
const ONE = new Set(["one"]);
const OTHER = new Set(["two"]);

test("a waiting build is joined, a running one too if its builder has a current image, and a kept image is used", () => {
  assert.equal(decideReuse(waiting, OTHER), { kind: "join" });
  assert.equal(decideReuse(running, ONE), { kind: "join" });
  assert.equal(decideReuse(ended, ONE), { kind: "use" });
});

test("another builder image, an unknown one, a deleted bucket and a failure make a build anew, with the reason", () => {
  const { builderImage: _, ...unknown } = ended;
  for (const [record, images] of [
    [running, OTHER],
    [ended, OTHER],
    [ended, new Set<string>()],
    [unknown, ONE],
  ] as const)
    assert.match(JSON.stringify(decideReuse(record, images)), "the builders have another image than that of 60c95481");
  assert.match(JSON.stringify(decideReuse({ ...ended, bucketDeleted: true }, ONE)), "no longer kept");
  const failed: BuildRecord = { ...ended, final: { v: 1, state: "failed", exitCode: 1, reason: "r" } };
  assert.equal(decideReuse(failed, ONE), { kind: "anew", reason: "" });
});

test("at most that many requests share a build, each once", () => {
  let record = waiting;
  for (let n = 1; n < CLIENTS_MAX; n++) record = clientJoined(record, `${n}`) ?? record;
  assert.is(record.clients?.length, CLIENTS_MAX);
  assert.is(clientJoined(record, "more"), undefined);
  assert.is(decideReuse(record, ONE).kind, "anew");
  const two = clientJoined(waiting, "second");
  assert.equal(two && clientJoined(two, "second")?.clients, ["first", "second"]);
  assert.is(clientJoined(ended, "second"), undefined);
});

test("a request that leaves keeps the build for the others, and the last one cannot leave", () => {
  const both = clientJoined(waiting, "second") ?? waiting;
  assert.equal(clientLeft(both, "first")?.clients, ["second"]);
  assert.is(clientLeft(waiting, "first"), undefined);
  assert.is(clientLeft(clientLeft(both, "first") ?? both, "second"), undefined);
});

test("an image is used under its key alone, and not after it was given up", () => {
  assert.is(imageUsed(ended, "key", 9)?.usedAtMs, 9);
  const { same: _, ...givenUp } = ended;
  for (const record of [givenUp, { ...ended, same: "other" }, { ...ended, bucketDeleted: true }, running])
    assert.is(imageUsed(record, "key", 9), undefined);
});

test("each part changes the key", () => {
  const parts = { user: "ada", digest: "d", arch: "x86_64", compression: "default", version: "1" };
  const keys = [parts, ...Object.keys(parts).map((name) => ({ ...parts, [name]: "another" }))].map(buildKey);
  assert.is(new Set(keys).size, keys.length);
  assert.is.not(buildKey({ ...parts, user: "ad", digest: "ad" }), buildKey({ ...parts, user: "ada", digest: "d" }));
});

test.run();

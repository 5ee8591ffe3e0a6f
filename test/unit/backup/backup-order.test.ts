/** The order in which streams are saved and restored, and which are left out. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  imagesOnly,
  mustBeQuiet,
  otherStreams,
  recordStreams,
  restoreOrder,
} from "../../../lib/cli/admin/backup-order.ts";
import { buildBucketStream, buildStream } from "../../../lib/protocol/subjects.ts";

const test = suite("order of a backup");

const [LIVE, ENDED] = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"];

const stream = (name: string, isSealed = false) => {
  return { name, bytes: 1, lastSeq: 1, lastTime: "", isSealed, isInMemory: false };
};
const names = (streams: readonly { name: string }[]) => streams.map(({ name }) => name);

const ALL = [
  stream(buildBucketStream(ENDED)),
  stream(buildBucketStream(LIVE)),
  stream(buildStream(ENDED), true),
  stream(buildStream(LIVE)),
  stream("builders"),
  stream("KV_site"),
  stream("KV_cb-users"),
  stream("KV_cb-slots"),
  stream("KV_cb-builders"),
  stream("KV_cb-recipes"),
  stream("KV_cb-builds"),
];

test("the records come first, in the opposite order of the queue's writes, then every other bucket", () => {
  const order = ["KV_cb-builds", "KV_cb-recipes", "KV_cb-builders", "KV_cb-slots", "KV_cb-users", "KV_site"];
  assert.equal(names(recordStreams(ALL)), order);
});

test("then the logs of live builds, their buckets, what does not change, and the images", () => {
  assert.equal(names(otherStreams(ALL)), [
    buildStream(LIVE),
    buildBucketStream(LIVE),
    buildStream(ENDED),
    "builders",
    buildBucketStream(ENDED),
  ]);
});

test("every stream is in one of the two parts, and only key-value buckets must be quiet", () => {
  assert.is(recordStreams(ALL).length + otherStreams(ALL).length, ALL.length);
  assert.ok(mustBeQuiet("KV_cb-builds"));
  assert.not.ok(mustBeQuiet(buildStream(LIVE)));
});

test("a restore makes the records last", () => {
  assert.equal(restoreOrder(["KV_cb-builds", "KV_cb-users", "build"]), ["build", "KV_cb-users", "KV_cb-builds"]);
});

test("an image is the bucket of a build with a sealed log, or with none", () => {
  assert.equal([...imagesOnly(ALL)], [buildBucketStream(ENDED)]);
  assert.equal([...imagesOnly([stream(buildBucketStream(LIVE))])], [buildBucketStream(LIVE)]);
  assert.equal([...imagesOnly([stream("OBJ_site"), stream("KV_cb-users")])], []);
});

test.run();

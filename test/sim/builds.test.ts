/**
 * The records of builds on a failing store: no write of two writers is lost, and after a lost reply the record is read
 * again.
 */
import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Clock } from "../../lib/core/clock.ts";
import { CbError } from "../../lib/core/errors.ts";
import { createLogger } from "../../lib/core/log.ts";
import { Builds } from "../../lib/queue/builds/builds.ts";
import type { BuildRecord } from "../../lib/queue/builds/record.ts";
import { rejection } from "../support/rejection.ts";
import { SimKeys } from "./keys.ts";
import { Random } from "./random.ts";

const test = suite("records of builds on a failing store");

const timeless: Clock = { nowMs: () => 0, sleep: async () => undefined };
const RECIPE = { recipe: { backend: "docker", text: "FROM scratch" } } as const;

const waiting = (): BuildRecord => ({
  v: 1,
  build: randomUUID(),
  user: "ada",
  name: "x.sif",
  request: randomUUID(),
  backend: "docker",
  pool: "p",
  state: "waiting",
  createdAtMs: 0,
  attempt: 0,
});

/** The builds of a queue with one waiting build, their store, and the builds of a second process on the same store. */
async function scene() {
  const keys = new SimKeys(timeless, new Random(1));
  const stores = {
    records: keys,
    recipes: new SimKeys(timeless, new Random(2)),
    log: createLogger({ name: "test", level: "silent" }),
  };
  const builds = new Builds(stores);
  const record = waiting();
  await builds.addRecipe(record.build, RECIPE);
  await builds.add(record);
  const other = new Builds(stores);
  await other.load();
  return { keys, builds, other, build: record.build };
}

const received = (record: BuildRecord): BuildRecord => ({ ...record, received: true });
const bucketDeleted = (record: BuildRecord): BuildRecord => ({ ...record, bucketDeleted: true });

test("change() decides again on the record that another writer has stored meanwhile", async () => {
  const { builds, other, build } = await scene();
  await other.change(build, received);
  const changed = await builds.change(build, bucketDeleted);
  assert.equal([changed?.received, changed?.bucketDeleted], [true, true]);
  assert.equal(builds.get(build), changed);
});

test("change() throws if its reply is lost, and settle() reads the stored record", async () => {
  const { keys, builds, build } = await scene();
  keys.losesReply = 1;
  assert.instance(await rejection(builds.change(build, received)), CbError);
  assert.is(builds.get(build)?.received, undefined);
  await builds.settle();
  assert.ok(builds.isInDoubt(build), "while the store does not answer the build stays in doubt");
  keys.losesReply = 0;
  await builds.settle();
  assert.not.ok(builds.isInDoubt(build));
  assert.is(builds.get(build)?.received, true);
});

test("after change() was refused, settle() finds the old record", async () => {
  const { keys, builds, build } = await scene();
  keys.refuses = 1;
  assert.instance(await rejection(builds.change(build, received)), CbError);
  keys.refuses = 0;
  await builds.settle();
  assert.is(builds.get(build)?.received, undefined);
  assert.is((await builds.change(build, received))?.received, true);
});

test.run();

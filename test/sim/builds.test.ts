/** The records of builds on a store in trouble: of two writers none is lost, and a reply that is lost is looked up. */
import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Clock } from "../../lib/core/clock.ts";
import { CbError } from "../../lib/core/errors.ts";
import { Records } from "../../lib/nats/jetstream/records.ts";
import { Builds } from "../../lib/queue/builds/builds.ts";
import { type BuildRecord, buildRecord, recipeRecord } from "../../lib/queue/builds/record.ts";
import { rejection } from "../support/rejection.ts";
import { SimKeys } from "./keys.ts";
import { Random } from "./random.ts";

const test = suite("records of builds in trouble");

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

/** A queue's builds with one that waits, what they are kept in, and another process with the same. */
async function scene() {
  const keys = new SimKeys(timeless, new Random(1));
  const stores = {
    records: new Records(keys, "build", buildRecord),
    recipes: new Records(new SimKeys(timeless, new Random(2)), "recipe", recipeRecord),
  };
  const builds = new Builds(stores);
  const record = waiting();
  await builds.add(record, RECIPE);
  const other = new Builds(stores);
  await other.load();
  return { keys, builds, other, build: record.build };
}

const received = (record: BuildRecord): BuildRecord => ({ ...record, received: true });
const bucketDeleted = (record: BuildRecord): BuildRecord => ({ ...record, bucketDeleted: true });

test("change() decides anew on what another has written meanwhile", async () => {
  const { builds, other, build } = await scene();
  await other.change(build, received);
  const changed = await builds.change(build, bucketDeleted);
  assert.equal([changed?.received, changed?.bucketDeleted], [true, true]);
  assert.equal(builds.get(build), changed);
});

test("change() whose reply is lost throws, and settle() finds what was written", async () => {
  const { keys, builds, build } = await scene();
  keys.losesReply = 1;
  assert.instance(await rejection(builds.change(build, received)), CbError);
  assert.is(builds.get(build)?.received, undefined);
  await builds.settle();
  assert.ok(builds.isInDoubt(build), "while the store does not answer it is not known");
  keys.losesReply = 0;
  await builds.settle();
  assert.not.ok(builds.isInDoubt(build));
  assert.is(builds.get(build)?.received, true);
});

test("change() that was refused is found to have written nothing", async () => {
  const { keys, builds, build } = await scene();
  keys.refuses = 1;
  assert.instance(await rejection(builds.change(build, received)), CbError);
  keys.refuses = 0;
  await builds.settle();
  assert.is(builds.get(build)?.received, undefined);
  assert.is((await builds.change(build, received))?.received, true);
});

test.run();

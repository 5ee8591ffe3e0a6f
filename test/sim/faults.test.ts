import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../lib/core/errors.ts";
import { createLogger } from "../../lib/core/log.ts";
import { Pool } from "../../lib/pool/pool.ts";
import { type ExecutionReport, type ExecutorDependencies, execute } from "../../lib/pool/reconciler/executor.ts";
import { poolPolicy } from "../../lib/pool/reconciler/policy.ts";

import { RecordStore, Slots } from "../../lib/pool/state/store.ts";
import { booting, gone, leased, markedForDestroy, ready, requested } from "../../lib/pool/state/transitions.ts";
import { SimCloud } from "./cloud.ts";
import { fastClock } from "./fast-clock.ts";
import { SimKeys } from "./keys.ts";
import { Random } from "./random.ts";

/** Single steps on a failing store and a failing cloud, which the seeded simulation reaches only by chance. */
const test = suite("pool with faults");

const log = createLogger({ name: "test", level: "silent" });
const journal = { publish: () => {}, flush: async () => {} };
const neverAborted = new AbortController().signal;

/** A thousand times faster than real time. */
const clock = fastClock(1000);

function scene() {
  const random = new Random(1);
  const builderKeys = new SimKeys(clock, random);
  const slotKeys = new SimKeys(clock, random);
  const cloud = new SimCloud(clock, random, { created: () => {}, destroyed: () => {} });
  const policy = poolPolicy({ pool: "p", callTimeoutMs: 30_000 });
  const store = new RecordStore({ keys: builderKeys, journal, log, pool: "p" });
  const slots = new Slots({ keys: slotKeys, log, pool: "p" });
  const goneBuilders: string[] = [];
  const dependencies: ExecutorDependencies = {
    ...{ provider: cloud, store, slots, policy, clock, log, installation: "i", generation: "g" },
    userDataFor: async () => "{}",
    onLost: () => {},
    onFailure: () => {},
    onGone: ({ builder }) => goneBuilders.push(builder),
  };
  return { builderKeys, slotKeys, cloud, policy, store, slots, dependencies, goneBuilders };
}

const newRecord = (slot = 0) =>
  requested({ builder: randomUUID(), attempt: randomUUID(), pool: "p", slot, reason: "test" }, clock.nowMs());

async function poolOn({ builderKeys, slotKeys, cloud, policy }: ReturnType<typeof scene>): Promise<Pool> {
  const userDataFor = async () => "{}";
  const rest = { journal, provider: cloud, policy, clock, log, userDataFor, installation: "i", newId: randomUUID };
  return Pool.open({ ...rest, builderKeys, slotKeys, events: () => () => {} });
}

test("execute() skips an action that was decided on an older revision", async () => {
  const { store, dependencies, cloud } = scene();
  const added = await store.add(newRecord());
  const { builder } = added.record;
  const idle = await store.update(ready(added.record, 1), added);
  const destroy = {
    kind: "destroy",
    builder,
    revision: idle.revision,
    call: true,
    reason: "test",
    failure: false,
  } as const;
  cloud.plant({ ...added.record, installation: "i", generation: "g", status: "running", host: "h" });
  const newer = await store.update({ ...idle.record, host: "h" }, idle);
  assert.equal(await execute([destroy], dependencies, neverAborted), { createFailures: [], undone: 1 });
  assert.equal([store.get(builder), cloud.machines.get(builder)?.status], [newer, "running"]);
  assert.equal((await execute([{ ...destroy, revision: newer.revision }], dependencies, neverAborted)).undone, 0);
  assert.is(store.get(builder)?.record.state, "destroying");
});

const messages = ({ createFailures }: ExecutionReport): string => createFailures.map(({ message }) => message).join();

test("execute() stores a failed create in the record, counts it, and keeps the slot", async () => {
  const { store, slots, dependencies, cloud } = scene();
  cloud.faultRate = 1;
  const outcome = await execute([{ kind: "create", slot: 0, reason: "test" }], dependencies, neverAborted);
  assert.match(messages(outcome), "simulated: refused");
  const [stored] = store.all();
  assert.match(stored?.record.createError ?? "", "simulated: refused");
  assert.is(slots.get(0)?.builder, stored?.record.builder);
});

test("execute() creates nothing once the claim is older than half the grace", async () => {
  const { dependencies, cloud } = scene();
  let lateMs = 0;
  const late = { ...clock, nowMs: () => clock.nowMs() + lateMs };
  const userDataFor = async () => {
    lateMs = dependencies.policy.createGraceMs / 2 + 1;
    return "{}";
  };
  const outcome = await execute(
    [{ kind: "create", slot: 0, reason: "test" }],
    { ...dependencies, clock: late, userDataFor },
    neverAborted,
  );
  assert.match(messages(outcome), "too late");
  assert.is(cloud.machines.size, 0);
});

test("execute() does not call the provider if another builder has the slot", async () => {
  const { slots, dependencies, cloud, store } = scene();
  await slots.claim(0, { v: 1, builder: randomUUID(), attempt: randomUUID(), claimedAtMs: 1 });
  const outcome = await execute([{ kind: "create", slot: 0, reason: "test" }], dependencies, neverAborted);
  assert.equal([outcome.undone, outcome.createFailures, cloud.machines.size, store.all().length], [1, [], 0, 0]);
});

test("execute() closes a record without freeing its slot if another builder has the slot", async () => {
  const { store, slots, dependencies, goneBuilders } = scene();
  const added = await store.add(newRecord(0));
  const { builder } = added.record;
  const closed = await store.update(gone(markedForDestroy(added.record, "x", 1), "x", 2), added);
  await slots.claim(0, { v: 1, builder: randomUUID(), attempt: randomUUID(), claimedAtMs: 1 });
  await execute([{ kind: "gone", builder, revision: closed.revision, reason: "x" }], dependencies, neverAborted);
  assert.equal([store.all().length, slots.all().length, goneBuilders], [0, 1, [builder]]);
});

test("settle() reads a record after its write and first read failed", async () => {
  const { builderKeys, store } = scene();
  const added = await store.add(newRecord());
  builderKeys.losesReply = 1;
  const error = await store.update(booting(added.record, "h", 5), added).catch((caught: unknown) => caught);
  assert.instance(error, CbError);
  assert.is(store.get(added.record.builder)?.record.state, "requested");
  builderKeys.losesReply = 0;
  await store.settle();
  assert.is(store.get(added.record.builder)?.record.state, "booting");
});

test("a reply older than the cached record changes nothing", async () => {
  const { builderKeys, store } = scene();
  const added = await store.add(newRecord());
  const newer = await store.update(booting(added.record, "h", 5), added);
  const old = { key: `p.${added.record.builder}`, value: JSON.stringify(added.record), revision: added.revision };
  builderKeys.get = async () => old;
  const stale = await store.update(booting(added.record, "h", 6), added).catch((caught: unknown) => caught);
  assert.instance(stale, CbError);
  assert.equal(store.get(added.record.builder), newer);
});

test("a pass first settles records in doubt", async () => {
  const parts = scene();
  const added = await parts.store.add(newRecord());
  const { builder } = added.record;
  const pool = await poolOn(parts);
  parts.builderKeys.losesReply = 1;
  assert.equal(await pool.heartbeat(builder, "idle"), { alive: true, state: "requested", build: undefined });
  parts.builderKeys.losesReply = 0;
  await pool.runPass();
  assert.equal(
    pool.readyBuilders().map((view) => view.builder),
    [builder],
  );
});

test("lease() returns true if only its reply was lost, and false if another lease was first", async () => {
  const parts = scene();
  const added = await parts.store.add(newRecord());
  const { builder } = added.record;
  await parts.store.update(ready(added.record, 1), added);
  const [first, second] = [await poolOn(parts), await poolOn(parts)];
  const build = randomUUID();
  const { update } = parts.builderKeys;
  parts.builderKeys.update = async (...args) => {
    await update.apply(parts.builderKeys, args);
    throw new CbError("infrastructure", "the reply was lost");
  };
  assert.is(await first.lease(builder, build), true);
  parts.builderKeys.update = update;
  assert.is(await second.lease(builder, randomUUID()), false);
  assert.equal(
    second.leases().map((lease) => lease.build),
    [build],
  );
});

test("release() succeeds on a record that another writer has changed meanwhile", async () => {
  const parts = scene();
  const added = await parts.store.add(newRecord());
  const { builder } = added.record;
  const idle = await parts.store.update(ready(added.record, 1), added);
  const pool = await poolOn(parts);
  await parts.store.update(leased(idle.record, randomUUID(), 2), idle);
  await pool.release(builder, "test");
  assert.equal(
    pool.status().destroying.map((view) => view.reason),
    ["test"],
  );
  await pool.release(builder, "again");
  assert.equal(
    pool.status().destroying.map((view) => view.reason),
    ["test"],
  );
});

test("heartbeat() makes an idle new builder ready, and refuses unknown and given-up ones", async () => {
  const parts = scene();
  const { record } = await parts.store.add(newRecord());
  const pool = await poolOn(parts);
  assert.equal(await pool.heartbeat(randomUUID(), "idle"), { alive: false, reason: "no such builder" });
  assert.equal(await pool.heartbeat(record.builder, "busy"), { alive: true, state: "requested", build: undefined });
  assert.is(pool.readyBuilders().length, 0);
  assert.equal(await pool.heartbeat(record.builder, "idle"), { alive: true, state: "ready", build: undefined });
  assert.equal(
    pool.readyBuilders().map(({ builder }) => builder),
    [record.builder],
  );
  await pool.release(record.builder, "done");
  assert.equal(await pool.heartbeat(record.builder, "idle"), {
    alive: false,
    reason: "this builder has been given up: done",
  });
});

test("after a standstill the pool counts silence from the beginning", async () => {
  const parts = scene();
  const added = await parts.store.add(newRecord());
  await parts.store.update(ready(added.record, 1), added);
  let lateMs = 0;
  const jumping = { ...clock, nowMs: () => clock.nowMs() + lateMs };
  const listMachines = parts.cloud.listMachines.bind(parts.cloud);
  parts.cloud.plant({ ...added.record, installation: "i", generation: "", status: "running", host: "h" });
  const pool = await Pool.open({
    ...{
      builderKeys: parts.builderKeys,
      slotKeys: parts.slotKeys,
      journal,
      provider: parts.cloud,
      log,
      clock: jumping,
    },
    ...{
      policy: parts.policy,
      installation: "i",
      userDataFor: async () => "{}",
      newId: randomUUID,
      events: () => () => {},
    },
  });
  pool.setListening(true);
  await pool.heartbeat(added.record.builder, "idle");
  parts.cloud.listMachines = async () => {
    lateMs += 3_600_000;
    return listMachines();
  };
  await pool.runPass();
  assert.is(pool.status().reserve.length, 1);
  parts.cloud.listMachines = listMachines;
  lateMs += parts.policy.silenceTimeoutMs;
  await pool.runPass();
  assert.is(pool.status().reserve.length, 0);
});

test.run();

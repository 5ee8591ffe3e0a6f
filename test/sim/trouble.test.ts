import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../lib/core/errors.ts";
import { createLogger } from "../../lib/core/log.ts";
import { Pool } from "../../lib/pool/pool.ts";
import { type ExecutionReport, type ExecutorDependencies, execute } from "../../lib/pool/reconciler/executor.ts";
import { poolPolicy } from "../../lib/pool/reconciler/policy.ts";
import { Slots } from "../../lib/pool/state/slots.ts";
import { RecordStore } from "../../lib/pool/state/store.ts";
import { booting, gone, leased, markedForDestroy, ready, requested } from "../../lib/pool/state/transitions.ts";
import { SimCloud } from "./cloud.ts";
import { fastClock } from "./fast-clock.ts";
import { SimKeys } from "./keys.ts";
import { Random } from "./random.ts";

/** Single steps on a store and a cloud in trouble: what the seeded simulation meets by luck. */
const test = suite("pool in trouble");

const log = createLogger({ name: "test", level: "silent" });
const journal = { publish: () => {}, flush: async () => {} };
const endless = new AbortController().signal;

/** A thousand times as fast as what is simulated. */
const clock = fastClock(1000);

function scene() {
  const random = new Random(1);
  const builderKeys = new SimKeys(clock, random);
  const slotKeys = new SimKeys(clock, random);
  const cloud = new SimCloud(clock, random, { created: () => {}, destroyed: () => {} });
  const policy = poolPolicy({ pool: "p", callTimeoutMs: 30_000 });
  const store = new RecordStore({ keys: builderKeys, journal, log, pool: "p" });
  const slots = new Slots({ keys: slotKeys, log, pool: "p" });
  const goneOnes: string[] = [];
  const hands: ExecutorDependencies = {
    ...{ provider: cloud, store, slots, policy, clock, log, installation: "i", generation: "g" },
    userDataFor: async () => "{}",
    onLost: () => {},
    onFailure: () => {},
    onGone: ({ builder }) => goneOnes.push(builder),
  };
  return { builderKeys, slotKeys, cloud, policy, store, slots, hands, goneOnes };
}

const newRecord = (slot = 0) =>
  requested({ builder: randomUUID(), attempt: randomUUID(), pool: "p", slot, reason: "test" }, clock.nowMs());

async function poolOn({ builderKeys, slotKeys, cloud, policy }: ReturnType<typeof scene>): Promise<Pool> {
  const userDataFor = async () => "{}";
  const rest = { journal, provider: cloud, policy, clock, log, userDataFor, installation: "i", newId: randomUUID };
  return Pool.open({ ...rest, builderKeys, slotKeys, events: () => () => {} });
}

test("execute() does not do what was decided on an older revision", async () => {
  const { store, hands, cloud } = scene();
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
  assert.equal(await execute([destroy], hands, endless), { createFailures: [], undone: 1 });
  assert.equal([store.get(builder), cloud.machines.get(builder)?.status], [newer, "running"]);
  assert.equal((await execute([{ ...destroy, revision: newer.revision }], hands, endless)).undone, 0);
  assert.is(store.get(builder)?.record.state, "destroying");
});

const messages = ({ createFailures }: ExecutionReport): string => createFailures.map(({ message }) => message).join();

test("execute() notes a failed create in the record, counts it, and keeps the slot", async () => {
  const { store, slots, hands, cloud } = scene();
  cloud.trouble = 1;
  const outcome = await execute([{ kind: "create", slot: 0, reason: "test" }], hands, endless);
  assert.match(messages(outcome), "simulated: refused");
  const [stored] = store.all();
  assert.match(stored?.record.createError ?? "", "simulated: refused");
  assert.is(slots.get(0)?.builder, stored?.record.builder);
});

test("execute() creates nothing once the claim is older than half the grace", async () => {
  const { hands, cloud } = scene();
  let lateMs = 0;
  const late = { ...clock, nowMs: () => clock.nowMs() + lateMs };
  const userDataFor = async () => {
    lateMs = hands.policy.createGraceMs / 2 + 1;
    return "{}";
  };
  const outcome = await execute(
    [{ kind: "create", slot: 0, reason: "test" }],
    { ...hands, clock: late, userDataFor },
    endless,
  );
  assert.match(messages(outcome), "too late");
  assert.is(cloud.machines.size, 0);
});

test("execute() calls no provider when the slot is another's", async () => {
  const { slots, hands, cloud, store } = scene();
  await slots.claim(0, { v: 1, builder: randomUUID(), attempt: randomUUID(), claimedAtMs: 1 });
  const outcome = await execute([{ kind: "create", slot: 0, reason: "test" }], hands, endless);
  assert.equal([outcome.undone, outcome.createFailures, cloud.machines.size, store.all().length], [1, [], 0, 0]);
});

test("execute() closes a record whose slot is another's by now, and leaves that one alone", async () => {
  const { store, slots, hands, goneOnes } = scene();
  const added = await store.add(newRecord(0));
  const { builder } = added.record;
  const over = await store.update(gone(markedForDestroy(added.record, "x", 1), "x", 2), added);
  await slots.claim(0, { v: 1, builder: randomUUID(), attempt: randomUUID(), claimedAtMs: 1 });
  await execute([{ kind: "gone", builder, revision: over.revision, reason: "x" }], hands, endless);
  assert.equal([store.all().length, slots.all().length, goneOnes], [0, 1, [builder]]);
});

test("a write whose look-up fails too is settled later", async () => {
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

test("an answer that is older than what is known changes nothing", async () => {
  const { builderKeys, store } = scene();
  const added = await store.add(newRecord());
  const newer = await store.update(booting(added.record, "h", 5), added);
  const old = { key: `p.${added.record.builder}`, value: JSON.stringify(added.record), revision: added.revision };
  builderKeys.get = async () => old;
  const stale = await store.update(booting(added.record, "h", 6), added).catch((caught: unknown) => caught);
  assert.instance(stale, CbError);
  assert.equal(store.get(added.record.builder), newer);
});

test("a look first settles what is in doubt", async () => {
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

test("lease() is true when only its reply was lost, and false when another was faster", async () => {
  const parts = scene();
  const added = await parts.store.add(newRecord());
  const { builder } = added.record;
  await parts.store.update(ready(added.record, 1), added);
  const [mine, theirs] = [await poolOn(parts), await poolOn(parts)];
  const build = randomUUID();
  const { update } = parts.builderKeys;
  parts.builderKeys.update = async (...args) => {
    await update.apply(parts.builderKeys, args);
    throw new CbError("infrastructure", "the reply was lost");
  };
  assert.is(await mine.lease(builder, build), true);
  parts.builderKeys.update = update;
  assert.is(await theirs.lease(builder, randomUUID()), false);
  assert.equal(
    theirs.leases().map((lease) => lease.build),
    [build],
  );
});

test("release() of a record that another has changed meanwhile comes through", async () => {
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

test("heard() makes an idle new builder ready, and refuses unknown and given-up ones", async () => {
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

test("a pool that has stood still starts counting silence anew", async () => {
  const parts = scene();
  const added = await parts.store.add(newRecord());
  await parts.store.update(ready(added.record, 1), added);
  let lateMs = 0;
  const jumping = { ...clock, nowMs: () => clock.nowMs() + lateMs };
  const observe = parts.cloud.listMachines.bind(parts.cloud);
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
    return observe();
  };
  await pool.runPass();
  assert.is(pool.status().reserve.length, 1);
  parts.cloud.listMachines = observe;
  lateMs += parts.policy.silenceTimeoutMs;
  await pool.runPass();
  assert.is(pool.status().reserve.length, 0);
});

test.run();

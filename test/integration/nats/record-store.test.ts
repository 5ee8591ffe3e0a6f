import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createLogger } from "../../../lib/core/log.ts";
import { type KvStore, openKvStore, StaleWriteError } from "../../../lib/nats/jetstream/kv.ts";
import { openJournal } from "../../../lib/pool/state/journal.ts";
import { Slots } from "../../../lib/pool/state/slots.ts";
import { generationOf, RecordStore } from "../../../lib/pool/state/store.ts";
import { booting, leased, ready, released, requested } from "../../../lib/pool/state/transitions.ts";
import { BUILDERS_STREAM, patterns } from "../../../lib/protocol/subjects.ts";
import { type PlainNats, startPlainNats } from "../../support/nats/plain-nats.ts";

const log = createLogger({ name: "test", level: "silent" });
const test = suite("pool store on nats-server");

let server: PlainNats;
let nc: NatsConnection;
let bucket = 0;

test.before(async () => {
  server = await startPlainNats();
  nc = await server.connect("core");
});

test.after(async () => {
  await nc?.close();
  await server?.stop();
});

function freshKeys(): Promise<KvStore> {
  return openKvStore(nc, { bucket: `test-${++bucket}`, replicas: 1, maxBytes: 1 << 20 });
}

async function storeOn(keys: KvStore): Promise<RecordStore> {
  const store = new RecordStore({ keys, journal: { publish: () => {}, flush: async () => {} }, log, pool: "p" });
  await store.load();
  return store;
}

async function slotsOn(keys: KvStore): Promise<Slots> {
  const slots = new Slots({ keys, log, pool: "p" });
  await slots.load();
  return slots;
}

const newRecord = (slot = 0) =>
  requested({ builder: randomUUID(), attempt: randomUUID(), pool: "p", slot, reason: "test" }, 1000);
const newClaim = () => ({ v: 1, builder: randomUUID(), attempt: randomUUID(), claimedAtMs: 1000 }) as const;

async function isStale(write: Promise<unknown>): Promise<void> {
  const error = await write.then(
    () => "it was written",
    (caught: unknown) => caught,
  );
  assert.instance(error, StaleWriteError);
}

test("update() of a stale writer fails, and its memory shows what is there", async () => {
  const keys = await freshKeys();
  const mine = await storeOn(keys);
  const stored = await mine.add(newRecord());
  const theirs = await storeOn(keys);
  const { builder } = stored.record;
  const newer = await theirs.update(ready(stored.record, 2000), stored);
  await isStale(mine.update(booting(stored.record, "host", 2000), stored));
  assert.equal(mine.get(builder), newer);
  await mine.update(leased(newer.record, randomUUID(), 3000), newer);
});

test("of two leases at once one wins", async () => {
  const keys = await freshKeys();
  const store = await storeOn(keys);
  const added = await store.add(newRecord());
  const idle = await store.update(ready(added.record, 2000), added);
  const builds = [randomUUID(), randomUUID()];
  const tries = await Promise.allSettled(builds.map((build) => store.update(leased(idle.record, build, 3000), idle)));
  assert.equal(tries.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  const [winner] = tries.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  assert.equal((await storeOn(keys)).get(idle.record.builder), winner);
});

test("add() of a builder that is there fails", async () => {
  const store = await storeOn(await freshKeys());
  const { record } = await store.add(newRecord());
  await isStale(store.add(record));
});

test("load() takes up every record and claim where it was", async () => {
  const keys = await freshKeys();
  const store = await storeOn(keys);
  const first = await store.add(newRecord(0));
  await store.update(booting(first.record, "10.0.0.1", 2000), first);
  const second = await store.add(newRecord(1));
  await store.update(released(second.record, "test", 2000), second);
  const again = await storeOn(keys);
  const byId = (all: ReturnType<RecordStore["all"]>) => [...all].sort((a, b) => a.record.slot - b.record.slot);
  assert.equal(byId(again.all()), byId(store.all()));
  assert.is(again.all().length, 2);
});

test("remove() leaves no key and no message, and only with the newest revision", async () => {
  const keys = await freshKeys();
  const store = await storeOn(keys);
  const stored = await store.add(newRecord());
  const newer = await store.update(booting(stored.record, "h", 2000), stored);
  await isStale(store.remove(stored));
  assert.is(store.all().length, 1);
  await store.remove(newer);
  assert.is((await storeOn(keys)).all().length, 0);
  const jsm = await nc.jetstreamManager();
  assert.is((await jsm.streams.info(`KV_test-${bucket}`)).state.messages, 0);
});

test("a slot has one holder, until it is freed with the revision it was claimed at", async () => {
  const keys = await freshKeys();
  const [mine, theirs] = [await slotsOn(keys), await slotsOn(keys)];
  const claim = newClaim();
  await mine.claim(0, claim);
  await isStale(theirs.claim(0, newClaim()));
  assert.is(theirs.get(0)?.builder, claim.builder, "the loser sees who has it");
  const held = mine.get(0);
  assert.ok(held);
  await mine.free(held);
  await theirs.settle();
  await theirs.claim(0, newClaim()).catch(() => assert.unreachable("a freed slot can be claimed"));
  await isStale(mine.free(held));
  assert.is((await slotsOn(keys)).all().length, 1);
});

test("twenty claims of one slot at once: one wins", async () => {
  const keys = await freshKeys();
  const slots = await Promise.all(Array.from({ length: 20 }, () => slotsOn(keys)));
  const tries = await Promise.allSettled(slots.map((one) => one.claim(7, newClaim())));
  assert.is(tries.filter(({ status }) => status === "fulfilled").length, 1);
});

test("generationOf() is made once, also by two at once, and meets no record", async () => {
  const keys = await freshKeys();
  const [one, two] = await Promise.all([generationOf(keys, randomUUID), generationOf(keys, randomUUID)]);
  assert.is(one, two);
  assert.is(await generationOf(keys, () => "another"), one);
  assert.is((await storeOn(keys)).all().length, 0);
});

test("load() refuses a record that cannot be read, rather than take its machine for unknown", async () => {
  const keys = await freshKeys();
  await keys.create("p.x", "{}");
  const error = await storeOn(keys).catch((caught: unknown) => caught);
  assert.match(String(error), "cannot be read");
});

test("each change of state is one message of the stream builders, other writes none; opening it again is no error", async () => {
  await openJournal(nc, 1, log);
  const journal = await openJournal(nc, 1, log);
  const store = new RecordStore({ keys: await freshKeys(), journal, log, pool: "p" });
  const events = nc.subscribe(patterns.builderState, { max: 2 });
  const added = await store.add(newRecord());
  const seen = await store.update(booting(added.record, "h", 2000), added);
  await store.update({ ...seen.record, host: "other" }, seen);
  await journal.flush();
  const states: string[] = [];
  for await (const event of events) states.push(event.json<{ state: string }>().state);
  assert.equal(states, ["requested", "booting"]);
  const { state, config } = await (await nc.jetstreamManager()).streams.info(BUILDERS_STREAM);
  assert.is(state.messages, 2);
  assert.ok(config.max_bytes > 0 && config.max_msgs > 0 && config.max_age > 0);
});

test("records survive SIGKILL of the server", async () => {
  const store = await storeOn(await freshKeys());
  const stored = await store.add(newRecord());
  await nc.close();
  await server.kill();
  await server.start();
  nc = await server.connect("core");
  const again = await storeOn(await openKvStore(nc, { bucket: `test-${bucket}`, replicas: 1, maxBytes: 1 << 20 }));
  assert.equal(again.get(stored.record.builder), stored);
});

test.run();

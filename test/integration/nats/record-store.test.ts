import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createLogger } from "../../../lib/core/log.ts";
import { type KvStore, openKvStore, StaleWriteError } from "../../../lib/nats/jetstream/kv.ts";
import { openJournal } from "../../../lib/pool/state/journal.ts";
import { generationOf, RecordStore, Slots } from "../../../lib/pool/state/store.ts";
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
    () => "the write succeeded",
    (caught: unknown) => caught,
  );
  assert.instance(error, StaleWriteError);
}

test("update() with a stale revision fails, and the cache then shows the stored record", async () => {
  const keys = await freshKeys();
  const first = await storeOn(keys);
  const stored = await first.add(newRecord());
  const second = await storeOn(keys);
  const { builder } = stored.record;
  const newer = await second.update(ready(stored.record, 2000), stored);
  await isStale(first.update(booting(stored.record, "host", 2000), stored));
  assert.equal(first.get(builder), newer);
  await first.update(leased(newer.record, randomUUID(), 3000), newer);
});

test("of two concurrent leases one wins", async () => {
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

test("add() of an existing builder fails", async () => {
  const store = await storeOn(await freshKeys());
  const { record } = await store.add(newRecord());
  await isStale(store.add(record));
});

test("load() reads every record as it was written", async () => {
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

test("remove() leaves no key and no message, and requires the newest revision", async () => {
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

test("a slot has one holder until it is freed with the revision of the claim", async () => {
  const keys = await freshKeys();
  const [first, second] = [await slotsOn(keys), await slotsOn(keys)];
  const claim = newClaim();
  await first.claim(0, claim);
  await isStale(second.claim(0, newClaim()));
  assert.is(second.get(0)?.builder, claim.builder, "the other reads the claim");
  const held = first.get(0);
  assert.ok(held);
  await first.free(held);
  await second.settle();
  await second.claim(0, newClaim()).catch(() => assert.unreachable("a freed slot can be claimed"));
  await isStale(first.free(held));
  assert.is((await slotsOn(keys)).all().length, 1);
});

test("of twenty concurrent claims of one slot one wins", async () => {
  const keys = await freshKeys();
  const slots = await Promise.all(Array.from({ length: 20 }, () => slotsOn(keys)));
  const tries = await Promise.allSettled(slots.map((one) => one.claim(7, newClaim())));
  assert.is(tries.filter(({ status }) => status === "fulfilled").length, 1);
});

test("generationOf() stores one id, also if called twice at once, and the id is no record", async () => {
  const keys = await freshKeys();
  const [one, two] = await Promise.all([generationOf(keys, randomUUID), generationOf(keys, randomUUID)]);
  assert.is(one, two);
  assert.is(await generationOf(keys, () => "another"), one);
  assert.is((await storeOn(keys)).all().length, 0);
});

test("load() throws on an unreadable record, because its machine would count as unrecorded", async () => {
  const keys = await freshKeys();
  await keys.create("p.x", "{}");
  const error = await storeOn(keys).catch((caught: unknown) => caught);
  assert.match(String(error), "cannot be read");
});

test("each change of state is one message in the stream builders, other writes are none; it can be opened twice", async () => {
  await openJournal(nc, 1, log);
  const journal = await openJournal(nc, 1, log);
  const store = new RecordStore({ keys: await freshKeys(), journal, log, pool: "p" });
  const events = nc.subscribe(patterns.builderState, { max: 2 });
  const added = await store.add(newRecord());
  const noted = await store.update(booting(added.record, "h", 2000), added);
  await store.update({ ...noted.record, host: "other" }, noted);
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

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type JetStreamManager, nanos } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { JetStreamAccess } from "../../lib/bus/jetstream-api.ts";
import { Publisher, type PublisherOptions } from "../../lib/bus/publisher.ts";
import { StreamReader } from "../../lib/bus/reader.ts";
import { NotAllowed, Stopped, StreamFull, StreamNotFound } from "../../lib/bus/stream-errors.ts";
import { LogTooLong, LogWriter } from "../../lib/transfer/log-writer.ts";
import { type CuttingProxy, startCuttingProxy } from "../support/cutting-proxy.ts";
import { GUEST_API_PREFIX, type PlainNats, startPlainNats } from "../support/plain-nats.ts";

const STREAM = "build-b1";
const LOG = "build.b1.log";

interface World {
  nats: PlainNats;
  core: JetStreamAccess;
  guest: JetStreamAccess;
  jsm: JetStreamManager;
}

const test = suite<World>("log stream");

test.before.each(async (world) => {
  world.nats = await startPlainNats();
  const core = await world.nats.connect("core");
  const guest = await world.nats.connect("guest");
  world.core = { nc: core, apiPrefix: "$JS.API", inboxPrefix: "_INBOX.core" };
  world.guest = { nc: guest, apiPrefix: GUEST_API_PREFIX, inboxPrefix: "_INBOX.guest" };
  world.jsm = await core.jetstreamManager();
});
test.after.each(async (world) => {
  await world.nats.stop();
});

async function addStream(world: World, more: Record<string, unknown> = {}): Promise<void> {
  await world.jsm.streams.add({
    name: STREAM,
    subjects: [LOG, "build.b1.state"],
    max_bytes: 256 * 1024 * 1024,
    allow_rollup_hdrs: false,
    ...more,
  });
}

/** Everything stored up to now, in order. */
async function stored(
  js: JetStreamAccess,
  filter = LOG,
): Promise<{ data: Buffer; seqs: number[]; messages: Buffer[] }> {
  const reader = new StreamReader(js, { stream: STREAM, filter });
  reader.stopWhenCaughtUp();
  const messages: Buffer[] = [];
  const seqs: number[] = [];
  for await (const message of reader) {
    messages.push(Buffer.from(message.data));
    seqs.push(message.seq);
  }
  return { data: Buffer.concat(messages), seqs, messages };
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

const numbered = (from: number, to: number): Buffer[] =>
  Array.from({ length: to - from }, (_, i) => Buffer.from(`line ${from + i}\n`));

async function publishAll(publisher: Publisher, lines: Buffer[]): Promise<void> {
  for (const line of lines) await publisher.publish(LOG, line);
}

function publisherOn(js: JetStreamAccess, more: Partial<PublisherOptions> = {}): Publisher {
  return new Publisher(js, { stream: STREAM, ...more });
}

for (const account of ["core", "guest"] as const) {
  test(`Publisher and StreamReader in ${account}: 20 000 messages arrive whole and in order`, async (world) => {
    await addStream(world);
    const publisher = publisherOn(world[account]);
    const lines = numbered(0, 20_000);
    await publishAll(publisher, lines);
    assert.is(await publisher.flush(), 20_000);
    publisher.close();
    const got = await stored(world[account]);
    assert.ok(got.data.equals(Buffer.concat(lines)));
    assert.is(got.seqs.at(-1), 20_000);
  });
}

test("LogWriter: a line of 10 MB without a line end, of all byte values, arrives whole", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.guest);
  const writer = new LogWriter(publisher, { subject: LOG, maxBytes: 20 * 1024 * 1024 });
  const line = randomBytes(10_000_000).map((byte) => (byte === 10 ? 11 : byte));
  for (let at = 0; at < line.length; at += 65_536) await writer.write(line.subarray(at, at + 65_536));
  await writer.write(Buffer.from("\nnext\n"));
  await writer.end();
  publisher.close();
  const got = await stored(world.guest);
  assert.ok(got.data.equals(Buffer.concat([line, Buffer.from("\nnext\n")])));
  assert.ok(got.messages.length > 300);
});

test("LogWriter cuts at line ends, and sends a prompt after partialMs without its end", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.guest);
  const writer = new LogWriter(publisher, { subject: LOG, maxBytes: 1e6, batchBytes: 1000 });
  const reader = new StreamReader(world.core, { stream: STREAM, filter: LOG });
  await writer.write(Buffer.from("one\ntwo\nContinue? "));
  const first: string[] = [];
  for await (const { data } of reader) {
    first.push(Buffer.from(data).toString());
    if (first.length === 2) break;
  }
  assert.equal(first, ["one\ntwo\n", "Continue? "]);
  const lines = Buffer.concat(numbered(0, 2000));
  await writer.write(lines);
  await writer.end();
  publisher.close();
  const got = await stored(world.core);
  assert.ok(got.messages.slice(2).every((message) => message.at(-1) === 10 && message.length <= 1000));
  assert.ok(Buffer.concat(got.messages.slice(2)).equals(lines));
});

test("LogWriter rejects with LogTooLong beyond maxBytes, and the log holds exactly maxBytes", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.guest);
  const writer = new LogWriter(publisher, { subject: LOG, maxBytes: 100 });
  await writer.write(Buffer.alloc(100, "a"));
  assert.instance(await rejection(writer.write(Buffer.from("b"))), LogTooLong);
  assert.instance(await rejection(writer.write(Buffer.from("c"))), LogTooLong);
  await writer.end();
  publisher.close();
  assert.is((await stored(world.core)).data.toString(), "a".repeat(100));
});

test("Publisher rejects with StreamFull when max_bytes is reached, and what is there has no hole", async (world) => {
  await addStream(world, { max_bytes: 100_000, discard: "new" });
  const publisher = publisherOn(world.guest);
  const lines = numbered(0, 5_000);
  const error = (await rejection(publishAll(publisher, lines))) ?? (await rejection(publisher.flush()));
  assert.instance(error, StreamFull);
  assert.instance(await rejection(publisher.publish(LOG, Buffer.from("more"))), StreamFull);
  const got = await stored(world.core);
  assert.ok(got.messages.length > 100);
  // nats-server 2.9.10 counts a record's overhead only after storing it, and then drops the oldest in spite of discard=new.
  const first = (got.seqs[0] ?? 0) - 1;
  assert.ok(first <= 1);
  assert.ok(got.data.equals(Buffer.concat(lines.slice(first, first + got.messages.length))));
});

test("Publisher rejects with NotAllowed on a subject of another build", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.guest);
  await publisher.publish("build.b2.log", Buffer.from("x"));
  assert.instance(await rejection(publisher.flush()), NotAllowed);
});

test("Publisher keeps order while another writer's messages come in between", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.guest, { windowMessages: 200 });
  const lines = numbered(0, 5_000);
  let done = false;
  const others = (async () => {
    let count = 0;
    for (; !done; count += 1) {
      await world.core.nc.jetstream().publish("build.b1.state", Buffer.from(`{"n":${count}}`));
      await sleep(2);
    }
    return count;
  })();
  await publishAll(publisher, lines);
  await publisher.flush();
  done = true;
  const count = await others;
  const { resent } = publisher.counters;
  publisher.close();
  assert.ok((await stored(world.core)).data.equals(Buffer.concat(lines)));
  assert.is((await stored(world.core, "build.b1.state")).messages.length, count);
  assert.ok(resent > 0, "the others' messages never came in between");
});

async function throughProxy(
  world: World,
  use: (proxy: CuttingProxy, js: JetStreamAccess) => Promise<void>,
): Promise<void> {
  const proxy = await startCuttingProxy(world.nats.port);
  try {
    const nc = await world.nats.connect("guest", { servers: `127.0.0.1:${proxy.port}` });
    await use(proxy, { ...world.guest, nc });
    await nc.close();
  } finally {
    await proxy.stop();
  }
}

test("Publisher: ten connections cut in the middle of a message lose nothing, repeat nothing, keep the order", async (world) => {
  await addStream(world);
  await throughProxy(world, async (proxy, js) => {
    const publisher = publisherOn(js);
    const lines = numbered(0, 20_000);
    for (let round = 0; round < 10; round += 1) {
      proxy.cutAfter(50_000 + round * 7_001);
      await publishAll(publisher, lines.slice(round * 2000, round * 2000 + 2000));
    }
    await publisher.flush();
    assert.ok(publisher.counters.resent > 0);
    publisher.close();
    const got = await stored(world.core);
    assert.is(got.messages.length, 20_000);
    assert.ok(got.data.equals(Buffer.concat(lines)));
  });
});

test("Publisher: a frozen server is waited for, reported, and nothing comes twice", async (world) => {
  await addStream(world);
  const waited: number[] = [];
  const publisher = publisherOn(world.guest, { ackTimeoutMs: 300, onWaiting: (ms) => waited.push(ms) });
  await world.nats.freeze();
  const lines = numbered(0, 500);
  await publishAll(publisher, lines);
  await sleep(1_500);
  world.nats.thaw();
  await publisher.flush();
  await sleep(400);
  publisher.close();
  assert.ok(waited.some((ms) => ms >= 300));
  assert.is(waited.at(-1), 0);
  assert.ok((await stored(world.core)).data.equals(Buffer.concat(lines)));
});

test("Publisher looks at the stream after an outage longer than the duplicate window: nothing comes twice", async (world) => {
  await addStream(world, { duplicate_window: nanos(100) });
  await throughProxy(world, async (proxy, js) => {
    const publisher = publisherOn(js, { lookBackAfterMs: 300 });
    const lines = numbered(0, 100);
    proxy.holdAnswers();
    await publishAll(publisher, lines);
    while ((await world.jsm.streams.info(STREAM)).state.messages < 100) await sleep(5);
    proxy.refuse();
    await sleep(500);
    proxy.admit();
    assert.is(await publisher.flush(), 100);
    await publisher.publish(LOG, Buffer.from("after\n"));
    assert.is(await publisher.flush(), 101);
    publisher.close();
    assert.ok((await stored(world.core)).data.equals(Buffer.concat([...lines, Buffer.from("after\n")])));
  });
});

test("Publisher over SIGKILL and restart of the server: all there, in order, once", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.guest);
  const lines = numbered(0, 6_000);
  for (let round = 0; round < 3; round += 1) {
    const sent = publishAll(publisher, lines.slice(round * 2000, round * 2000 + 2000));
    await sleep(3);
    await world.nats.kill();
    await world.nats.start();
    await sent;
  }
  assert.is(await publisher.flush(), 6_000);
  publisher.close();
  assert.ok((await stored(world.core)).data.equals(Buffer.concat(lines)));
});

test("Publisher.publish waits when the window is full, and the window stays bounded", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.guest, { windowBytes: 100_000 });
  await world.nats.freeze();
  let placed = 0;
  const all = Promise.all(
    Array.from({ length: 50 }, () => publisher.publish(LOG, Buffer.alloc(10_000)).then(() => (placed += 1))),
  );
  await sleep(50);
  assert.is(placed, 9);
  assert.ok(publisher.counters.inFlightBytes <= 100_000);
  world.nats.thaw();
  await all;
  await publisher.flush();
  assert.is(publisher.counters.inFlightBytes, 0);
  publisher.close();
});

test("Publisher ends with Stopped when its signal aborts while it waits", async (world) => {
  await addStream(world);
  const abort = new AbortController();
  const publisher = publisherOn(world.guest, { signal: abort.signal, windowMessages: 1 });
  await world.nats.freeze();
  await publisher.publish(LOG, Buffer.from("a"));
  const waiting = rejection(publisher.publish(LOG, Buffer.from("b")));
  abort.abort();
  assert.instance(await waiting, Stopped);
  world.nats.thaw();
});

for (const account of ["core", "guest"] as const) {
  test(`StreamReader in ${account} goes on over SIGKILL and restart: every sequence once, in order`, async (world) => {
    await addStream(world);
    const publisher = publisherOn(world.core);
    const waited: number[] = [];
    const reader = new StreamReader(world[account], {
      stream: STREAM,
      filter: LOG,
      heartbeatMs: 200,
      waitingAfterMs: 500,
      onWaiting: (ms) => waited.push(ms),
    });
    const seqs: number[] = [];
    const reading = (async () => {
      for await (const { seq } of reader) {
        seqs.push(seq);
        if (seq === 6_000) break;
      }
    })();
    for (let round = 0; round < 3; round += 1) {
      await publishAll(publisher, numbered(round * 2000, round * 2000 + 2000));
      await publisher.flush();
      while (seqs.length <= round * 2000) await sleep(5);
      await world.nats.kill();
      if (round === 1) await sleep(1_800);
      await world.nats.start();
    }
    await reading;
    publisher.close();
    assert.equal(
      seqs,
      Array.from({ length: 6_000 }, (_, i) => i + 1),
    );
    assert.ok(waited.some((ms) => ms >= 500));
    assert.ok(reader.counters.reopened >= 2);
  });

  test(`StreamReader in ${account} notices that its consumer was deleted, and makes another`, async (world) => {
    await addStream(world);
    const publisher = publisherOn(world.core);
    const reader = new StreamReader(world[account], { stream: STREAM, filter: LOG, heartbeatMs: 200 });
    const messages = reader[Symbol.asyncIterator]();
    for (let n = 1; n <= 3; n += 1) {
      const next = messages.next();
      await publisher.publish(LOG, Buffer.from(`${n}`));
      assert.is((await next).value?.seq, n);
      for await (const consumer of world.jsm.consumers.list(STREAM))
        await world.jsm.consumers.delete(STREAM, consumer.name);
    }
    publisher.close();
    await messages.return?.();
  });
}

test("StreamReader notices by the missing heartbeat a consumer that went while it was not pulling", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.core);
  for (let n = 0; n < 30; n += 1) await publisher.publish(LOG, Buffer.alloc(1000, n));
  await publisher.flush();
  publisher.close();
  const reader = new StreamReader(world.guest, {
    stream: STREAM,
    filter: LOG,
    windowMessages: 10,
    heartbeatMs: 200,
  });
  const seqs: number[] = [];
  for await (const { seq } of reader) {
    seqs.push(seq);
    if (seq === 30) break;
    if (seq !== 1) continue;
    // The window is full now: nobody tells a reader that has not asked.
    await sleep(100);
    for await (const consumer of world.jsm.consumers.list(STREAM))
      await world.jsm.consumers.delete(STREAM, consumer.name);
  }
  assert.equal(
    seqs,
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
  assert.is(reader.counters.reopened, 1);
});

test("StreamReader deletes its consumer when the loop is left, by return() while it waits, and by its signal", async (world) => {
  await addStream(world);
  const count = async (): Promise<number> => (await world.jsm.streams.info(STREAM)).state.consumer_count;
  const abort = new AbortController();
  const bySignal = new StreamReader(world.guest, { stream: STREAM, filter: LOG, signal: abort.signal });
  const signalled = bySignal[Symbol.asyncIterator]();
  const byReturn = new StreamReader(world.guest, { stream: STREAM, filter: LOG })[Symbol.asyncIterator]();
  const ends = [signalled.next(), byReturn.next()];
  while ((await count()) < 2) await sleep(10);
  abort.abort();
  await byReturn.return?.();
  assert.equal(
    (await Promise.all(ends)).map(({ done }) => done),
    [true, true],
  );
  await world.core.nc.jetstream().publish(LOG, "x");
  for await (const _ of new StreamReader(world.guest, { stream: STREAM, filter: LOG })) break;
  assert.is(await count(), 0);
});

test("StreamReader holds at most its window, however slow the taker", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.core);
  for (let n = 0; n < 320; n += 1) await publisher.publish(LOG, Buffer.alloc(100_000, n));
  await publisher.flush();
  publisher.close();
  const reader = new StreamReader(world.guest, { stream: STREAM, filter: LOG, windowBytes: 1024 * 1024 });
  let seen = 0;
  for await (const { seq } of reader) {
    seen += 1;
    assert.is(seq, seen);
    if (seen % 40 === 0) await sleep(100);
    if (seen === 320) break;
  }
  assert.ok(reader.counters.peakBytes > 300_000, "nothing ever waited");
  assert.ok(reader.counters.peakBytes <= 1024 * 1024, `${reader.counters.peakBytes} bytes waited`);
  assert.is(reader.counters.reopened, 0);
});

test("StreamReader gets a message that is larger than its window", async (world) => {
  await addStream(world);
  await world.core.nc.jetstream().publish(LOG, Buffer.alloc(5_000_000, 7));
  await world.core.nc.jetstream().publish(LOG, "small");
  const reader = new StreamReader(world.guest, { stream: STREAM, filter: LOG, windowBytes: 200_000 });
  reader.stopWhenCaughtUp();
  const sizes: number[] = [];
  for await (const { data } of reader) sizes.push(data.length);
  assert.equal(sizes, [5_000_000, 5]);
  assert.is(reader.counters.reopened, 1, "only the one that counts what is left");
});

test("StreamReader throws StreamNotFound and NotAllowed", async (world) => {
  const missing = new StreamReader(world.guest, { stream: STREAM, filter: LOG });
  assert.instance(await rejection(missing[Symbol.asyncIterator]().next()), StreamNotFound);
  const foreign = new StreamReader(world.guest, { stream: "build-b2", filter: "build.b2.log" });
  assert.instance(await rejection(foreign[Symbol.asyncIterator]().next()), NotAllowed);
});

test("StreamReader reads log and state in one order, from a sequence, with headers, subject and time", async (world) => {
  await addStream(world);
  const js = world.core.nc.jetstream();
  await js.publish(LOG, "1", { msgID: "first" });
  await js.publish("build.b1.state", "2", { msgID: "second" });
  await js.publish(LOG, "3");
  const reader = new StreamReader(world.guest, { stream: STREAM, filter: "build.b1.*", fromSeq: 2 });
  reader.stopWhenCaughtUp();
  const got: unknown[] = [];
  for await (const { seq, subject, headers, timestampMs, pending } of reader) {
    got.push([seq, subject, headers?.get("Nats-Msg-Id") ?? "", Math.abs(timestampMs - Date.now()) < 10_000, pending]);
  }
  assert.equal(got, [
    [2, "build.b1.state", "second", true, 1],
    [3, LOG, "", true, 0],
  ]);
});

test.run();

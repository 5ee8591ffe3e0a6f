/** StreamReader across outages of servers and consumers: each sequence once, in order. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Steps } from "../../../lib/cli/terminal.ts";
import { outageNotice } from "../../../lib/cli/watch/outage-notice.ts";
import { StreamReader } from "../../../lib/nats/jetstream/reader.ts";
import {
  addStream,
  deleteConsumers,
  LOG,
  numbered,
  onServer,
  publishAll,
  publisherOn,
  type ServerWorld,
  STREAM,
  sequences,
} from "../../support/nats/log-stream.ts";
import { Recorder } from "../../support/recorder.ts";
import { later } from "../../support/rejection.ts";
import { until } from "../../support/until.ts";

const test = suite<ServerWorld>("stream reader in an outage");
onServer(test);

for (const account of ["core", "guest"] as const) {
  test(`StreamReader in ${account} continues over SIGKILL and restart: each sequence once, in order`, async (world) => {
    await addStream(world);
    const publisher = publisherOn(world.core);
    const waited = new Recorder<number>();
    const reader = new StreamReader(world[account], {
      stream: STREAM,
      filter: LOG,
      heartbeatMs: 200,
      waitingAfterMs: 500,
      onWaiting: waited.add,
    });
    const seqs = new Recorder<number>();
    const reading = later(
      (async () => {
        for await (const { seq } of reader) {
          seqs.add(seq);
          if (seq === 6_000) break;
        }
      })(),
    );
    for (let round = 0; round < 3; round += 1) {
      await publishAll(publisher, numbered(round * 2000, round * 2000 + 2000));
      await publisher.flush();
      await seqs.any((seq) => seq > round * 2000);
      await world.nats.kill();
      if (round === 1) await waited.next((ms) => ms >= 500);
      await world.nats.start();
    }
    await reading;
    publisher.close();
    assert.equal(seqs.all, sequences(6_000));
    assert.ok(reader.counters.reopened >= 2);
  });

  test(`StreamReader in ${account} replaces a deleted consumer`, async (world) => {
    await addStream(world);
    const publisher = publisherOn(world.core);
    const reader = new StreamReader(world[account], { stream: STREAM, filter: LOG, heartbeatMs: 200 });
    const messages = reader[Symbol.asyncIterator]();
    for (let n = 1; n <= 3; n += 1) {
      const next = messages.next();
      await publisher.publish(LOG, Buffer.from(`${n}`));
      assert.is((await next).value?.seq, n);
      await deleteConsumers(world);
    }
    publisher.close();
    await messages.return?.();
  });
}

test("StreamReader detects by missing heartbeats a consumer that was deleted while no pull waited", async (world) => {
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
    // With a full window no pull waits, so the server sends no notice of the deletion.
    await until("the window is full", async () => {
      const [consumer] = await world.jsm.consumers.list(STREAM).next();
      return consumer?.num_waiting === 0 && consumer.delivered.stream_seq >= 10;
    });
    await deleteConsumers(world);
  }
  assert.equal(seqs, sequences(30));
  assert.is(reader.counters.reopened, 1);
});

for (const [kind, begin, end] of [
  ["SIGSTOP", "freeze", "thaw"],
  ["SIGKILL", "kill", "start"],
] as const) {
  test(`StreamReader reports one outage from its last message to the next after ${kind}, over lost consumers`, async (world) => {
    await addStream(world);
    const publisher = publisherOn(world.core);
    const waited = new Recorder<number>();
    const lines: string[] = [];
    const notice = outageNotice(new Steps({ write: (text: string) => lines.push(text) }));
    const reader = new StreamReader(world.guest, {
      stream: STREAM,
      filter: LOG,
      heartbeatMs: 600,
      waitingAfterMs: 500,
      onWaiting: (ms) => {
        waited.add(ms);
        notice(ms);
      },
    });
    const messages = reader[Symbol.asyncIterator]();
    await publisher.publish(LOG, Buffer.from("1"));
    assert.is((await messages.next()).value?.seq, 1);
    const second = messages.next();
    // The consumer is lost after 1.5 s of silence; the first call for another one ends without a reply 5 s later.
    const long = waited.next((ms) => ms >= 7_500);
    await world.nats[begin]();
    await long;
    await world.nats[end]();
    await publisher.publish(LOG, Buffer.from("2"));
    assert.is((await second).value?.seq, 2);
    await messages.return?.();
    publisher.close();
    const silences = waited.all.slice(0, -1);
    assert.is(waited.all.at(-1), 0);
    assert.equal(
      silences,
      [...silences].sort((a, b) => a - b),
      "the clock of the outage starts once",
    );
    assert.not(silences.includes(0));
    assert.is(lines.length, 2);
    assert.match(lines.join(""), /^NATS does not answer; waiting\nNATS answers again after \d+ s\n$/);
  });
}

test.run();

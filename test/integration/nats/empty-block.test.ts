/**
 * Readers of a stream that nats-server 2.9.10 has recovered with an empty last block, as a full disk and a restart leave it. The
 * server then takes the stream for an empty one (`first_seq` 0), and starts each consumer at sequence 1, whatever it asks for.
 */
// slow: restarts nats-server again and again.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { natsServerOf } from "../../../infra/tools/setup/nats-server.ts";
import { StreamReader } from "../../../lib/nats/jetstream/reader.ts";
import { addBucket, BUCKET_STREAM, getAll, put } from "../../support/nats/bucket.ts";
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
import { until } from "../../support/until.ts";

const LINES = 1000;

const test = suite<ServerWorld>("empty block");
const ofHost = process.env.NATS_SERVER;
test.before(async () => {
  process.env.NATS_SERVER = await natsServerOf("bookworm", { onStep: console.log });
});
test.after(() => {
  if (ofHost === undefined) delete process.env.NATS_SERVER;
  else process.env.NATS_SERVER = ofHost;
});
onServer(test);

/** Kills the server and starts it again with an empty second block of the stream. */
async function restartWithEmptyBlock({ nats, jsm }: ServerWorld, stream: string): Promise<void> {
  await nats.kill();
  writeFileSync(join(nats.streamsFolder, stream, "msgs", "2.blk"), "");
  await nats.start();
  const info = await until("the server answers", () => jsm.streams.info(stream).catch(() => undefined));
  assert.is(info.state.first_seq, 0, "nats-server recovers the empty block in another way now");
}

test("StreamReader yields each message once, also after it has lost its consumer, and ends when it has caught up", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.core);
  await publishAll(publisher, numbered(0, LINES));
  await publisher.flush();
  publisher.close();
  await restartWithEmptyBlock(world, STREAM);
  const reader = new StreamReader(world.guest, { stream: STREAM, filter: LOG, fromSeq: 11, windowMessages: 20 });
  const got: number[] = [];
  for await (const { seq } of reader) {
    got.push(seq);
    if (got.length === LINES / 2) await deleteConsumers(world);
    if (got.length === LINES - 20) reader.stopWhenCaughtUp();
  }
  assert.equal(got, sequences(LINES).slice(10));
  assert.ok(reader.counters.reopened >= 2);
});

test("an object that was stored is whole", async (world) => {
  await addBucket(world);
  const data = randomBytes(3_000_000);
  const { nuid, sizeBytes } = await put(world.guest, data);
  await restartWithEmptyBlock(world, BUCKET_STREAM);
  assert.ok((await getAll(world.guest)).data.equals(data));
  assert.ok((await getAll(world.guest, { announced: { nuid, sizeBytes } })).data.equals(data));
  assert.ok((await getAll(world.guest, { announced: { nuid } })).data.equals(data));
});

test.run();

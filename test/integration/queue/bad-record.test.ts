/** Unreadable records: the queue names them, refuses to start, and deletes nothing. */
import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openKvStore } from "../../../lib/nats/jetstream/kv.ts";
import { QueueLab } from "../../support/queue/queue-lab.ts";
import { POOL } from "../../support/queue/queue-process.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ lab: QueueLab; core: NatsConnection }>("bad record");

test.before(async (world) => {
  world.lab = await QueueLab.start();
  world.core = await world.lab.nats.core();
  await world.lab.queue.kill();
});
test.after(({ lab }) => lab?.stop());

const BAD = ["", "garbage", '{"v":1,"state":"waiting"}', "[".repeat(100), "\u0000".repeat(1000)];
/** A bucket and the prefix of its keys. */
const BUCKETS = [
  ["cb-builds", "build"],
  ["cb-builders", POOL],
  ["cb-slots", POOL],
] as const;

for (const [bucket, prefix] of BUCKETS) {
  test(`an unreadable record in ${bucket} keeps the queue from starting, and is not deleted`, async ({ lab, core }) => {
    const keys = await openKvStore(core, { bucket, replicas: 1, maxBytes: 8 * 1024 ** 2 });
    for (const text of BAD) {
      const key = `${prefix}.${bucket === "cb-slots" ? 5 : randomUUID()}`;
      const revision = await keys.create(key, text);
      const error = String(await rejection(lab.startQueue()));
      assert.match(error, `${key} cannot be read`);
      assert.is((await keys.get(key))?.value, text);
      await keys.remove(key, revision);
    }
  });
}

test("without the unreadable record the queue starts and leases builders", async ({ lab }) => {
  await lab.startQueue();
  await lab.leased(await lab.reserve(), 1);
});

test.run();

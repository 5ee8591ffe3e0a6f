/** A queue refuses new builds early, with the figures, when NATS has little storage left; while a build runs, they wait instead. */
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CbError } from "../../../../lib/core/errors.ts";
import { readStorage } from "../../../../lib/nats/jetstream/storage.ts";
import { call } from "../../../../lib/nats/rpc/client.ts";
import { status } from "../../../../lib/protocol/requests.ts";
import { buildStream } from "../../../../lib/protocol/subjects.ts";
import { QueueLab } from "../../../support/queue/queue-lab.ts";
import { LOG_BYTES } from "../../../support/queue/queue-process.ts";
import { rejection } from "../../../support/rejection.ts";

const test = suite<{ lab: QueueLab; core: NatsConnection }>("storage");

const MIB = 2 ** 20;
/** Less than a build needs for its states and its log (LOG_BYTES of the lab), and more than the states alone. */
const LEFT_BYTES = 2 * MIB;
/** Of the stream of a build without space for its log (lib/queue/builds/streams.ts). */
const STATES_BYTES = MIB;
const UPLOAD = { directory: "/", highestId: 0, archive: { kind: "object", maxBytes: MIB } } as const;

test.before(async (world) => {
  world.lab = await QueueLab.start();
  world.core = await world.lab.nats.core();
});
test.after(({ lab }) => lab?.stop());

async function statusOf(lab: QueueLab) {
  const { connection: nc } = await lab.nats.user("reader");
  return call(status, { nc, principal: "reader", request: { v: 1 }, timeoutMs: 10_000 });
}

/** Reserves all storage but `LEFT_BYTES`, and waits until the queue has seen it. */
async function fill(lab: QueueLab, core: NatsConnection): Promise<void> {
  const storage = await readStorage(core, 1);
  const { streams } = await core.jetstreamManager();
  await streams.add({ name: "filler", subjects: ["filler"], max_bytes: (storage?.freeBytes ?? 0) - LEFT_BYTES });
  await lab.until("the queue sees it", async () => (await statusOf(lab)).storage?.freeBytes === LEFT_BYTES);
}

async function empty(lab: QueueLab, core: NatsConnection): Promise<void> {
  await (await core.jetstreamManager()).streams.delete("filler");
  await lab.until("the queue sees it", async () => ((await statusOf(lab)).storage?.freeBytes ?? 0) > 2 ** 30);
}

test("a reservation without storage for its log is refused with the figures, and accepted when there is space", async ({
  lab,
  core,
}) => {
  await fill(lab, core);
  const refused = (await rejection(lab.reserve())) as CbError;
  assert.is(refused.kind, "infrastructure");
  assert.match(refused.message, "no storage for this build; storage: 0 of 16 GiB free, 3 MiB needed");
  assert.match(refused.hint ?? "", "max_file");
  await empty(lab, core);
  const build = await lab.reserve();
  await lab.leased(build, 1);
  await fill(lab, core);
  const waiting = await lab.reserve();
  assert.is(lab.record(waiting)?.state, "waiting");
  const upload = await rejection(lab.reserve("ada", { context: UPLOAD }));
  assert.match((upload as CbError).message, "no storage");
  await empty(lab, core);
  await lab.leased(waiting, 1);
});

test("the stream of a build has space for its log from the reservation while a builder is free, otherwise from the lease", async ({
  lab,
  core,
}) => {
  const { streams } = await core.jetstreamManager();
  const updated = new Set<string>();
  core.subscribe("$JS.API.STREAM.UPDATE.*", {
    callback: (_, { subject }) => void updated.add(subject.slice(subject.lastIndexOf(".") + 1)),
  });
  await core.flush();
  const upload = await lab.reserve("bob", { context: UPLOAD });
  assert.is((await streams.info(buildStream(upload))).config.max_bytes, STATES_BYTES);
  // A builder is free only while its agent has a request parked, so the first builds may come too early.
  await lab.until("a build is leased, and its stream was not enlarged", async () => {
    const build = await lab.reserve("bob");
    await lab.leased(build, 1);
    const { config } = await streams.info(buildStream(build));
    assert.ok(config.max_bytes > STATES_BYTES + LOG_BYTES);
    const wasEnlarged = updated.has(buildStream(build));
    await lab.cancel(build);
    return !wasEnlarged;
  });
});

test.run();

/** Requests with the same inputs get one build: while it waits or runs, and while the queue keeps its image. */
// slow: forty seconds on the lab of the queue
import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { messageOf } from "../../../../lib/core/errors.ts";
import type { ReserveRequest } from "../../../../lib/protocol/build-messages.ts";
import { builds, cancel, received } from "../../../../lib/protocol/requests.ts";
import { buildBucketStream } from "../../../../lib/protocol/subjects.ts";
import { LabAgent } from "../../../support/queue/lab-agent.ts";
import { storeImage } from "../../../support/queue/lab-image.ts";
import { QueueLab } from "../../../support/queue/queue-lab.ts";
import { LIMITS } from "../../../support/queue/queue-process.ts";
import { rejection } from "../../../support/rejection.ts";

const test = suite<{ lab: QueueLab; core: NatsConnection }>("same build");

test.before(async (world) => {
  world.lab = await QueueLab.start();
  world.core = await world.lab.nats.core();
});
test.after.each(async ({ lab }) => {
  await lab.tidy();
});
test.after(async ({ lab }) => {
  await lab?.stop();
});

let digests = 0;
/** The digest of inputs that no other test has. */
const inputs = (): Pick<ReserveRequest, "same"> & { request?: string } => ({
  same: { digest: (++digests).toString(16).padStart(64, "0") },
});

const cancelRequest = (lab: QueueLab, user: string, id: string) =>
  lab.send(user, cancel, { v: 1, target: { kind: "request", id } });

async function has(core: NatsConnection, stream: string): Promise<boolean> {
  const { streams } = await core.jetstreamManager();
  for await (const name of streams.names()) if (name === stream) return true;
  return false;
}

/** A build of ada's with these inputs and an image that its client has fetched. */
async function fetched(lab: QueueLab, same: ReturnType<typeof inputs>): Promise<string> {
  const build = await lab.reserve("ada", same);
  await storeImage(lab, build);
  await lab.send("ada", received, { v: 1, build });
  return build;
}

test("requests at the same moment share one build, and another user's request gets its own", async ({ lab }) => {
  const same = inputs();
  const replies = await Promise.all(Array.from({ length: 5 }, () => lab.request("ada", same)));
  const [{ build } = { build: "" }] = replies;
  assert.equal(new Set(replies.map((reply) => reply.build)), new Set([build]));
  assert.equal(
    replies.map((reply) => reply.same?.state),
    [undefined, "waiting", "waiting", "waiting", "waiting"],
  );
  const others = [await lab.request("bob", same), await lab.request("ada", inputs()), await lab.request("ada")];
  for (const other of others) {
    assert.is.not(other.build, build);
    assert.equal([other.same, other.anew], [undefined, undefined]);
  }
  await lab.leased(build, 1);
  assert.is((await lab.request("ada", same)).same?.state, "leased");
});

test("a shared build goes on until the last of its requests is cancelled, or the build itself", async ({ lab }) => {
  const same = inputs();
  const [first, second, third] = [randomUUID(), randomUUID(), randomUUID()];
  const build = await lab.reserve("ada", { ...same, request: first });
  for (const request of [second, third]) assert.is(await lab.reserve("ada", { ...same, request }), build);
  assert.is((await cancelRequest(lab, "ada", first)).others, 2);
  assert.is(
    (await lab.request("ada", { ...same, request: second })).same?.ageMs !== undefined,
    true,
    "a repeated request",
  );
  assert.is((await cancelRequest(lab, "ada", second)).others, 1);
  assert.is.not(lab.record(build)?.state, "ended");
  assert.equal(await cancelRequest(lab, "ada", third), { v: 1, state: "cancelled" });
  assert.is(lab.record(build)?.final?.state, "cancelled");
  const again = await lab.request("ada", same);
  assert.is.not(again.build, build);
  assert.is((await lab.request("ada", same)).build, again.build);
  await lab.cancel(again.build);
  assert.is(lab.record(again.build)?.final?.state, "cancelled");
});

test("clients that join and leave at once never end a build that one of them waits for", async ({ lab }) => {
  const same = inputs();
  const first = randomUUID();
  const build = await lab.reserve("ada", { ...same, request: first });
  const [left, joined] = await Promise.all([cancelRequest(lab, "ada", first), lab.request("ada", same)]);
  const isShared = joined.build === build;
  assert.is(left.others ?? 0, isShared ? 1 : 0);
  assert.is(lab.record(joined.build)?.state === "ended", false);
});

test("a build without its context is lost for the others when its sender leaves", async ({ lab }) => {
  const context = { directory: "/", highestId: 0, archive: { kind: "object", maxBytes: 100_000 } } as const;
  const same = { ...inputs(), context };
  const request = randomUUID();
  const build = await lab.reserve("ada", { ...same, request });
  assert.equal((await lab.request("ada", same)).same?.awaitsContext, true);
  assert.equal(await cancelRequest(lab, "ada", request), { v: 1, state: "cancelled" });
  assert.is(lab.record(build)?.final?.state, "lost");
});

test("a kept image is used again, also after its client has fetched it, and costs no quota", async ({ lab, core }) => {
  const same = inputs();
  const build = await fetched(lab, same);
  await lab.queue.kill();
  lab.quotas = { buildsPerDay: 1, users: {} };
  await lab.startQueue();
  assert.match(messageOf(await rejection(lab.reserve("ada", inputs()))), /builds today/);
  const again = await lab.request("ada", same);
  await lab.queue.kill();
  lab.quotas = { users: {} };
  await lab.startQueue();
  assert.is(again.build, build);
  assert.is(again.same?.state, "succeeded");
  assert.ok(await has(core, buildBucketStream(build)));
  assert.is((await lab.request("bob", same)).same, undefined, "of another user");
});

test("an image is kept for a day after its last use; then a request builds anew", async ({ lab, core }) => {
  const same = inputs();
  const build = await fetched(lab, same);
  lab.clock.jump(LIMITS.imageKeptMs / 2);
  assert.is((await lab.request("ada", same)).build, build);
  lab.clock.jump(LIMITS.imageKeptMs * 0.75);
  await lab.pass(5_000);
  const list = await lab.send("ada", builds, { v: 1 });
  const entry = list.builds.find((one) => one.build === build);
  assert.ok((entry?.imageUntilMs ?? 0) > list.nowMs, "cb-builds shows the image");
  assert.ok(await has(core, buildBucketStream(build)));
  lab.clock.jump(LIMITS.imageKeptMs * 0.5);
  await lab.until("the image is deleted", () => lab.record(build)?.bucketDeleted);
  assert.not.ok(await has(core, buildBucketStream(build)));
  assert.is.not((await lab.request("ada", same)).build, build);
});

test("the image of a failed build, of another builder image, or without its object is not used", async ({ lab }) => {
  const same = inputs();
  const failed = await lab.reserve("ada", same);
  await (await lab.leased(failed, 1)).end({ kind: "failed", exitCode: 1, reason: "its recipe" });
  const second = await lab.request("ada", same);
  assert.is.not(second.build, failed);
  assert.is(second.anew, undefined, "after a failure there is nothing to explain");
  await storeImage(lab, second.build);
  await lab.queue.streams.deleteBucket(second.build);
  const third = await lab.request("ada", same);
  assert.match(third.anew ?? "", "can no longer be used");
  await storeImage(lab, third.build);
  await lab.queue.pool.setDrained("for the test");
  await lab.until("no builder is left", () => lab.cloud.machines.size === 0);
  LabAgent.builderImage = "lab-2";
  lab.queue.pool.setDrained(undefined);
  await lab.fullReserve();
  const fourth = await lab.request("ada", same);
  assert.is.not(fourth.build, third.build);
  assert.match(fourth.anew ?? "", "the builders have another image than that of");
});

test("a forced rebuild is a new build, which later requests get, and gives up the image of the old one", async ({
  lab,
  core,
}) => {
  const same = inputs();
  const build = await fetched(lab, same);
  const rebuilt = await lab.request("ada", { same: { digest: same.same?.digest ?? "", rebuild: true } });
  assert.is.not(rebuilt.build, build);
  assert.is(rebuilt.same, undefined);
  assert.is((await lab.request("ada", same)).build, rebuilt.build);
  await lab.until("the old image is deleted", async () => !(await has(core, buildBucketStream(build))));
});

test("the queue finds its own claim when the reply to that write is lost", async ({ lab }) => {
  const same = inputs();
  lab.loseReplyTo = "1,";
  const build = await lab.reserve("ada", same);
  assert.is(lab.loseReplyTo, undefined);
  assert.is((await lab.request("ada", same)).build, build);
});

/** Each step with a text of the record that is written in it. */
const KILLED_AFTER: Record<string, RegExp> = {
  "the claim of its inputs is created": /^\{"v":1,"build":"[^"]+"\}$/,
  "the build's record is created": /"state":"waiting".*"same":/,
  "a second request is recorded": /"clients":\[/,
};

for (const [step, pattern] of Object.entries(KILLED_AFTER)) {
  test(`killed after ${step}, the next queue gives one build to the repeated requests`, async ({ lab }) => {
    const same = inputs();
    const requests = [randomUUID(), randomUUID()];
    lab.killAfter = pattern;
    const unanswered = requests.map((request) => rejection(lab.request("ada", { ...same, request })));
    await lab.until("the queue is killed", () => !lab.queue.isRunning());
    await lab.startQueue();
    const replies = [];
    for (const request of requests) replies.push(await lab.request("ada", { ...same, request }));
    const [build = "", ...others] = replies.map((reply) => reply.build);
    assert.equal(others, [build]);
    assert.equal(
      replies.map((reply) => reply.same === undefined),
      [true, false],
    );
    assert.is((await cancelRequest(lab, "ada", requests[0] ?? "")).others, 1);
    assert.equal(await cancelRequest(lab, "ada", requests[1] ?? ""), { v: 1, state: "cancelled" });
    await Promise.all(unanswered);
  });
}

test.run();

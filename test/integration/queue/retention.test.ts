/** The limits on waiting, running and keeping builds, with their messages; at the end nothing is left. */
import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { BUILDERS_STREAM, buildBucketStream, buildStream } from "../../../lib/protocol/subjects.ts";
import { storeImage } from "../../support/queue/lab-image.ts";
import { QueueLab } from "../../support/queue/queue-lab.ts";
import { LIMITS } from "../../support/queue/queue-process.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ lab: QueueLab; core: NatsConnection }>("retention");

/**
 * The most that the queue may act late, on the lab's clock: a step of the lab, the ticks after it, and the steps that the lab makes while
 * NATS deletes streams: one for every ten real milliseconds, so 17 s were seen on a busy machine.
 */
const LATE_MS = 60_000;

test.before(async (world) => {
  world.lab = await QueueLab.start();
  world.core = await world.lab.nats.core();
});
test.after.each(async ({ lab }) => {
  lab.cloud.refusal = undefined;
  await lab.tidy();
});
test.after(async ({ lab }) => {
  await lab?.stop();
});

const USAGE_STREAM = "KV_cb-usage";

/**
 * The numbers of messages and consumers of every stream, when the reserve is full. The stream of builder states is left
 * out, because NATS deletes its messages by age, and the usage of the users, which is kept for months.
 */
async function streamCounts(lab: QueueLab, core: NatsConnection): Promise<Record<string, unknown>> {
  await lab.fullReserve();
  const found: Record<string, unknown> = {};
  for await (const { config, state } of (await core.jetstreamManager()).streams.list()) {
    if (config.name !== BUILDERS_STREAM && config.name !== USAGE_STREAM)
      found[config.name] = [state.messages, state.consumer_count];
  }
  return found;
}

async function has(core: NatsConnection, stream: string): Promise<boolean> {
  const { streams } = await core.jetstreamManager();
  for await (const name of streams.names()) if (name === stream) return true;
  return false;
}

/** Sets the clock to that time without running any tick in between. */
const jumpTo = (lab: QueueLab, atMs: number) => lab.clock.jump(Math.max(0, atMs - lab.clock.nowMs()));

/** `check` becomes true not before that time, and at most `LATE_MS` after it. */
async function happensAt(lab: QueueLab, dueMs: number, what: string, check: () => boolean | Promise<boolean>) {
  jumpTo(lab, dueMs - LATE_MS);
  await lab.pass(LATE_MS / 2);
  assert.not.ok(await check(), `${what}, too early`);
  await lab.until(what, check);
  const lateMs = lab.clock.nowMs() - dueMs;
  assert.ok(lateMs >= 0 && lateMs <= LATE_MS, `${what}: ${lateMs} ms after it was due`);
}

/** A build with an image that no client has fetched. */
async function built(lab: QueueLab): Promise<string> {
  const build = await lab.reserve();
  await storeImage(lab, build);
  return build;
}

/** A build that ended with a failed recipe. */
async function failed(lab: QueueLab): Promise<string> {
  const build = await lab.reserve();
  await (await lab.leased(build, 1)).end({ kind: "failed", exitCode: 1, reason: "its recipe" });
  return build;
}

/** A build that was cancelled before the upload of its files. */
async function cancelled(lab: QueueLab): Promise<string> {
  const archive = { kind: "object", maxBytes: 100_000 } as const;
  const build = await lab.reserve("bob", { context: { directory: "/", highestId: 0, archive } });
  await lab.cancel(build);
  return build;
}

test("an image is kept for a day, log and record for a week; then nothing is left", async ({ lab, core }) => {
  const before = await streamCounts(lab, core);
  const builds = [await built(lab), await failed(lab), await cancelled(lab)];
  const [image = ""] = builds;
  const { consumers } = await core.jetstreamManager();
  await consumers.add(buildStream(image), { durable_name: "forgotten" });
  const endMs = (build: string) => lab.record(build)?.endedAtMs ?? 0;
  const firstEndMs = endMs(image);
  const lastEndMs = Math.max(...builds.map(endMs));
  await happensAt(lab, firstEndMs + LIMITS.imageKeptMs, "the image is deleted", async () => {
    return !(await has(core, buildBucketStream(image)));
  });
  assert.ok(await has(core, buildStream(image)));
  await happensAt(lab, lastEndMs + LIMITS.recordKeptMs, "all builds are deleted", () => {
    return builds.every((build) => lab.record(build) === undefined);
  });
  assert.equal(await streamCounts(lab, core), before);
});

test("a build that its agent does not end is ended a minute after its limit, and its builder destroyed", async ({
  lab,
}) => {
  const build = await lab.reserve();
  const agent = await lab.leased(build, 1);
  const leasedMs = lab.record(build)?.leasedAtMs ?? 0;
  await happensAt(lab, leasedMs + LIMITS.buildMs + 60_000, "the build ends", () => {
    return lab.record(build)?.state === "ended";
  });
  const reason = "it ran for 360 minutes, the longest time allowed";
  assert.equal(lab.record(build)?.final, { v: 1, state: "failed", exitCode: 0, reason });
  await lab.until("the machine is gone", () => !lab.cloud.machines.has(agent.builder));
});

test("a build that waits for a builder for a day ends as lost, with the reason", async ({ lab, core }) => {
  await streamCounts(lab, core);
  lab.cloud.refusal = new CbError("infrastructure", "no machine today");
  for (const before of [await lab.reserve(), await lab.reserve()]) await lab.leased(before, 1);
  const build = await lab.reserve();
  const createdMs = lab.record(build)?.createdAtMs ?? 0;
  await happensAt(lab, createdMs + LIMITS.waitMs, "the build ends", () => lab.record(build)?.state === "ended");
  const { final } = lab.record(build) ?? {};
  assert.is(final?.state, "lost");
  assert.match(JSON.stringify(final), "it waited 1440 minutes for a builder, the longest time allowed");
});

test("the newest two hundred ended builds of a user are kept", async ({ lab, core }) => {
  const builds: string[] = [];
  for (let n = 0; n < 202; n++) {
    const build = await lab.reserve("many");
    await lab.cancel(build);
    builds.push(build);
    lab.clock.jump(1);
  }
  const [first = "", second = "", third = ""] = builds;
  await lab.until("the oldest are deleted", () => {
    return lab.record(first) === undefined && lab.record(second) === undefined;
  });
  assert.is(lab.record(third)?.state, "ended");
  assert.is(lab.queue.builds.all().filter(({ user }) => user === "many").length, 200);
  assert.not.ok(await has(core, buildStream(first)));
});

test("a repeated reservation returns the same build while it runs, after its end, and from the next queue", async ({
  lab,
}) => {
  const request = randomUUID();
  const [build = "", ...others] = await Promise.all(Array.from({ length: 5 }, () => lab.reserve("eve", { request })));
  await lab.leased(build, 1);
  others.push(await lab.reserve("eve", { request }));
  await lab.cancel(build);
  others.push(await lab.reserve("eve", { request }));
  await lab.queue.kill();
  await lab.startQueue();
  others.push(await lab.reserve("eve", { request }));
  assert.equal(new Set(others), new Set([build]));
  assert.is.not(
    await lab.reserve("bob", { request }),
    build,
    "a request of another user with the same id is another build",
  );
  assert.instance(await rejection(lab.reserve("eve", { request: "no id" })), CbError);
});

test.run();

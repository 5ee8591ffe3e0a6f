/** The queue when a builder is lost: when it leases the build again, and which states it publishes. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Publisher } from "../../../lib/nats/jetstream/publisher.ts";
import { StreamFull, StreamSealed } from "../../../lib/nats/jetstream/stream-errors.ts";
import { subjects } from "../../../lib/protocol/subjects.ts";
import {
  leasesOf,
  logOf,
  lossesOf,
  running,
  statesOf,
  withUndeletedBuilder,
} from "../../support/queue/lost-builder.ts";
import { QueueLab } from "../../support/queue/queue-lab.ts";
import { LOG_BYTES } from "../../support/queue/queue-process.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ lab: QueueLab }>("lost builders in the queue");

test.before(async (context) => {
  context.lab = await QueueLab.start();
});
test.after.each(async ({ lab }) => {
  await lab.tidy();
});
test.after(async ({ lab }) => {
  await lab?.stop();
});

test("a leased builder is lost after three missed requests, and its build is leased to the next one", async ({
  lab,
}) => {
  const { build, first } = await running(lab);
  first.frozen = true;
  const frozenMs = lab.clock.nowMs();
  await lab.pass(24_000);
  assert.is(lab.record(build)?.state, "leased");
  const second = await lab.leased(build, 2);
  assert.ok(lab.clock.nowMs() - frozenMs <= 35_000, `${lab.clock.nowMs() - frozenMs} ms`);
  assert.is.not(second.builder, first.builder);
  assert.is(second.lease?.build, build);
  const entries = await lab.streamOf(build);
  assert.equal(leasesOf(entries), [1, 2]);
  // Not the `queued` state: if one tick handles the loss and the second lease, only the lease is published.
  assert.match(lossesOf(entries)[0] ?? "", /lab-\w+ was lost: its agent has not asked/);
  assert.not.ok(lab.cloud.machines.has(first.builder));
});

test("an agent's silence does not count while the queue is not listening", async ({ lab }) => {
  const { build, first } = await running(lab);
  lab.queue.pool.setListening(false);
  first.frozen = true;
  await lab.pass(120_000);
  lab.queue.pool.setListening(true);
  await lab.pass(28_000);
  assert.is(lab.record(build)?.state, "leased");
  await lab.leased(build, 2);
});

test("a ready builder that is frozen is replaced like a leased one", async ({ lab }) => {
  const idle = await lab.until("a ready builder", () => lab.queue.pool.readyBuilders()[0]?.builder);
  const agent = await lab.until("its agent", () => lab.agents.get(idle));
  agent.frozen = true;
  const frozenMs = lab.clock.nowMs();
  await lab.until("its end", () => !lab.cloud.machines.has(idle));
  assert.ok(lab.clock.nowMs() - frozenMs <= 35_000);
  await lab.until("a full reserve", () => lab.queue.pool.readyBuilders().length === 2);
});

test("while the first builder may write, no second one is leased: the first is ordered to stop, and its log precedes attempt 2", async ({
  lab,
}) => {
  const { build, first } = await withUndeletedBuilder(lab);
  const { log, publisher } = await logOf(lab, build, first);
  await log.write(Buffer.from("woken up\n"));
  await log.end();
  publisher.close();
  const reply = await first.ask({ state: "building", build });
  assert.is(reply.order, "stop");
  await lab.pass(60_000);
  assert.is(lab.record(build)?.state, "waiting");
  assert.ok(lab.queue.pool.readyBuilders().length > 0, "a builder was ready all the time");
  lab.cloud.finishDeletions();
  await lab.leased(build, 2);
  const entries = await lab.streamOf(build);
  const [woken, second] = [
    entries.indexOf("woken up\n"),
    entries.findIndex((entry) => typeof entry !== "string" && entry.state === "leased" && entry.attempt === 2),
  ];
  assert.ok(woken >= 0 && woken < second, JSON.stringify(entries));
  assert.ok(
    statesOf(entries).some(
      (state) => state.state === "queued" && state.reason.endsWith("waiting until its machine is gone"),
    ),
  );
});

test("a build that waits until a machine is gone does not delay other builds", async ({ lab }) => {
  const { build } = await withUndeletedBuilder(lab);
  const other = await lab.reserve("bob");
  await lab.leased(other, 1);
  assert.is(lab.record(build)?.state, "waiting");
});

test("a machine that is not deleted ends its build after exactly fifteen minutes, and cannot write any more", async ({
  lab,
}) => {
  const { build, first } = await withUndeletedBuilder(lab);
  const lostMs = lab.record(build)?.loss?.atMs ?? 0;
  lab.clock.jump(lostMs + 15 * 60_000 - 10_000 - lab.clock.nowMs());
  await lab.pass(8_000);
  assert.is(lab.record(build)?.state, "waiting");
  await lab.pass(10_000);
  const { final } = lab.record(build) ?? {};
  assert.is(final?.state, "lost");
  assert.match(JSON.stringify(final), /could not be confirmed gone within 15 minutes/);
  const { log, publisher } = await logOf(lab, build, first);
  const entries = await lab.streamOf(build);
  await log.write(Buffer.from("woken up\n"));
  assert.instance(await rejection(log.end()), StreamSealed);
  publisher.close();
  assert.equal(await lab.streamOf(build), entries);
});

test("a build that waits until a machine is gone can be cancelled", async ({ lab }) => {
  const { build } = await withUndeletedBuilder(lab);
  await lab.cancel(build);
  assert.is(lab.record(build)?.final?.state, "cancelled");
  lab.cloud.finishDeletions();
  await lab.pass(20_000);
  assert.is(lab.agentOf(build, 2), undefined);
});

test("a broken builder counts as lost; the second loss ends the build with both reasons", async ({ lab }) => {
  const { build, first } = await running(lab);
  assert.is((await first.end({ kind: "broken", reason: "no disk" })).order, "stop");
  const second = await lab.leased(build, 2);
  await second.end({ kind: "broken", reason: "no memory" });
  const { final } = lab.record(build) ?? {};
  assert.is(final?.state, "lost");
  assert.match(JSON.stringify(final), /lab-\w+ was lost: no disk; then builder lab-\w+ was lost: no memory/);
  await lab.until(
    "both machines are gone",
    () => ![first, second].some(({ builder }) => lab.cloud.machines.has(builder)),
  );
});

test("a lost lease message is sent again, and published once", async ({ lab }) => {
  const { build, first } = await running(lab);
  const { order } = await first.ask({ state: "ready" });
  assert.is(order, "lease");
  assert.equal(leasesOf(await lab.streamOf(build)), [1]);
});

test("a lease that was written, but its reply lost, keeps its builder and counts as one attempt", async ({ lab }) => {
  lab.loseReplyTo = '"state":"leased"';
  const { build, first } = await running(lab);
  assert.is(lab.loseReplyTo, undefined);
  await lab.pass(10_000);
  const { state, builder, attempt, loss } = lab.record(build) ?? {};
  assert.equal([state, builder, attempt, loss], ["leased", first.builder, 1, undefined]);
  assert.equal(leasesOf(await lab.streamOf(build)), [1]);
});

test("a failed recipe is not built again", async ({ lab }) => {
  const { build, first } = await running(lab);
  await first.end({ kind: "failed", exitCode: 1, reason: "no such package" });
  assert.is(lab.record(build)?.final?.state, "failed");
  await lab.pass(20_000);
  assert.is(lab.record(build)?.attempt, 1);
});

test("a builder that the pool has released counts as lost", async ({ lab }) => {
  const { build, first } = await running(lab);
  await lab.queue.pool.release(first.builder, "by an operator");
  await lab.leased(build, 2);
  assert.match(lab.record(build)?.loss?.reason ?? "", /the pool has released it/);
});

test("attempt 2 has the whole space for its log after attempt 1 has filled the stream", async ({ lab }) => {
  const { build, first } = await running(lab);
  const firstLog = await logOf(lab, build, first);
  assert.instance(await rejection(fill(firstLog.publisher, build)), StreamFull);
  lab.cloud.deletes = false;
  first.frozen = true;
  await lab.until("the loss", () => lab.record(build)?.loss);
  const other = await lab.reserve("bob");
  await lab.leased(other, 1);
  lab.cloud.finishDeletions();
  const secondLog = await logOf(lab, build, await lab.leased(build, 2));
  await secondLog.log.write(Buffer.alloc(LOG_BYTES, "a line of twenty ch\n"));
  assert.ok((await secondLog.log.end()) > 0);
  secondLog.publisher.close();
  const entries = await lab.streamOf(build);
  const second = entries.findLastIndex((entry) => typeof entry !== "string" && entry.state === "leased");
  const logs = entries.slice(second).filter((entry) => typeof entry === "string");
  assert.is(logs.join("").length, LOG_BYTES);
});

/** Publishes until the stream is full. Ten times the size of a log is more than it may store. */
async function fill(publisher: Publisher, build: string): Promise<void> {
  const chunk = Buffer.alloc(16 * 1024, "x");
  for (let bytes = 0; bytes < 10 * LOG_BYTES; bytes += chunk.length) {
    await publisher.publish(subjects.log(build), chunk);
    await publisher.flush();
  }
}

test.run();

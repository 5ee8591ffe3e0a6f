/** The queue when a builder dies: what it waits for, whom it tells, and what a queue that is killed meanwhile leaves. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Publisher } from "../../../lib/nats/jetstream/publisher.ts";
import { StreamFull, StreamSealed } from "../../../lib/nats/jetstream/stream-errors.ts";
import { subjects } from "../../../lib/protocol/subjects.ts";
import { leasesOf, logOf, lossesOf, running, statesOf, stuck } from "../../support/queue/lost-builder.ts";
import { LOG_BYTES, QueueLab } from "../../support/queue/queue-lab.ts";
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

test("a leased builder is lost after three missed questions, and its build goes on with the next", async ({ lab }) => {
  const { build, first } = await running(lab);
  first.frozen = true;
  const frozenMs = lab.clock.nowMs();
  await lab.pass(24_000);
  assert.is(lab.record(build)?.state, "leased");
  const second = await lab.leased(build, 2);
  assert.ok(lab.clock.nowMs() - frozenMs <= 35_000, `${lab.clock.nowMs() - frozenMs} ms`);
  assert.is.not(second.builder, first.builder);
  assert.is(second.lease?.build, build);
  const told = await lab.told(build);
  assert.equal(leasesOf(told), [1, 2]);
  // Not the queued state: one tick may tell of the loss and of the second lease, and then only the lease is told.
  assert.match(lossesOf(told)[0] ?? "", /lab-\w+ was lost: its agent has not asked/);
  assert.not.ok(lab.cloud.machines.has(first.builder));
});

test("silence does not count while the queue itself is not listening", async ({ lab }) => {
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

test("no second builder while the first may write: it wakes up, is told to stop, and what it says comes before attempt 2", async ({
  lab,
}) => {
  const { build, first } = await stuck(lab);
  const { log, publisher } = await logOf(lab, build, first);
  await log.write(Buffer.from("woken up\n"));
  await log.end();
  publisher.close();
  const answer = await first.ask({ state: "building", build });
  assert.is(answer.order, "stop");
  await lab.pass(60_000);
  assert.is(lab.record(build)?.state, "waiting");
  assert.ok(lab.queue.pool.readyBuilders().length > 0, "a builder was free all the time");
  lab.cloud.letGo();
  await lab.leased(build, 2);
  const told = await lab.told(build);
  const [woken, second] = [
    told.indexOf("woken up\n"),
    told.findIndex((one) => typeof one !== "string" && one.state === "leased" && one.attempt === 2),
  ];
  assert.ok(woken >= 0 && woken < second, JSON.stringify(told));
  assert.ok(
    statesOf(told).some((state) => state.state === "queued" && state.reason.endsWith("waiting until it is gone")),
  );
});

test("a build that waits for a machine to go holds up nobody", async ({ lab }) => {
  const { build } = await stuck(lab);
  const other = await lab.reserve("bob");
  await lab.leased(other, 1);
  assert.is(lab.record(build)?.state, "waiting");
});

test("a machine that does not go ends its build after fifteen minutes, and not before, and can write nothing more", async ({
  lab,
}) => {
  const { build, first } = await stuck(lab);
  const lostMs = lab.record(build)?.loss?.atMs ?? 0;
  lab.clock.jump(lostMs + 15 * 60_000 - 10_000 - lab.clock.nowMs());
  await lab.pass(8_000);
  assert.is(lab.record(build)?.state, "waiting");
  await lab.pass(10_000);
  const { final } = lab.record(build) ?? {};
  assert.is(final?.state, "lost");
  assert.match(JSON.stringify(final), /could not be confirmed gone within 15 minutes/);
  const { log, publisher } = await logOf(lab, build, first);
  const told = await lab.told(build);
  await log.write(Buffer.from("woken up\n"));
  assert.instance(await rejection(log.end()), StreamSealed);
  publisher.close();
  assert.equal(await lab.told(build), told);
});

test("a build that waits for a machine to go can be cancelled", async ({ lab }) => {
  const { build } = await stuck(lab);
  await lab.cancel(build);
  assert.is(lab.record(build)?.final?.state, "cancelled");
  lab.cloud.letGo();
  await lab.pass(20_000);
  assert.is(lab.agentOf(build, 2), undefined);
});

test("a builder that reports itself broken counts as lost, twice is the end, with both reasons", async ({ lab }) => {
  const { build, first } = await running(lab);
  assert.is((await first.end({ kind: "broken", reason: "no disk" })).order, "stop");
  const second = await lab.leased(build, 2);
  await second.end({ kind: "broken", reason: "no memory" });
  const { final } = lab.record(build) ?? {};
  assert.is(final?.state, "lost");
  assert.match(JSON.stringify(final), /lab-\w+ was lost: no disk; then builder lab-\w+ was lost: no memory/);
  await lab.until("both gone", () => ![first, second].some(({ builder }) => lab.cloud.machines.has(builder)));
});

test("a lease that got lost on its way is given again, and told once", async ({ lab }) => {
  const { build, first } = await running(lab);
  const { order } = await first.ask({ state: "ready" });
  assert.is(order, "lease");
  assert.equal(leasesOf(await lab.told(build)), [1]);
});

test("a lease that was written and whose reply was lost is one: it keeps its builder, and no attempt is used up", async ({
  lab,
}) => {
  lab.loseReplyTo = '"state":"leased"';
  const { build, first } = await running(lab);
  assert.is(lab.loseReplyTo, undefined);
  await lab.pass(10_000);
  const { state, builder, attempt, loss } = lab.record(build) ?? {};
  assert.equal([state, builder, attempt, loss], ["leased", first.builder, 1, undefined]);
  assert.equal(leasesOf(await lab.told(build)), [1]);
});

test("a recipe that fails is not tried again", async ({ lab }) => {
  const { build, first } = await running(lab);
  await first.end({ kind: "failed", exitCode: 1, reason: "no such package" });
  assert.is(lab.record(build)?.final?.state, "failed");
  await lab.pass(20_000);
  assert.is(lab.record(build)?.attempt, 1);
});

test("a machine that is taken away without a word to the queue counts as lost", async ({ lab }) => {
  const { build, first } = await running(lab);
  await lab.queue.pool.release(first.builder, "by an operator");
  await lab.leased(build, 2);
  assert.match(lab.record(build)?.loss?.reason ?? "", /it was taken away/);
});

test("attempt 2 has the whole room for its log, also when attempt 1 has filled the stream", async ({ lab }) => {
  const { build, first } = await running(lab);
  const one = await logOf(lab, build, first);
  assert.instance(await rejection(fill(one.publisher, build)), StreamFull);
  lab.cloud.letsGo = false;
  first.frozen = true;
  await lab.until("the loss", () => lab.record(build)?.loss);
  const other = await lab.reserve("bob");
  await lab.leased(other, 1);
  lab.cloud.letGo();
  const two = await logOf(lab, build, await lab.leased(build, 2));
  await two.log.write(Buffer.alloc(LOG_BYTES, "a line of twenty ch\n"));
  assert.ok((await two.log.end()) > 0);
  two.publisher.close();
  const told = await lab.told(build);
  const second = told.findLastIndex((one) => typeof one !== "string" && one.state === "leased");
  const logs = told.slice(second).filter((one) => typeof one === "string");
  assert.is(logs.join("").length, LOG_BYTES);
});

/** Writes until the stream takes no more; as much as ten logs is more than it should take. */
async function fill(publisher: Publisher, build: string): Promise<void> {
  const piece = Buffer.alloc(16 * 1024, "x");
  for (let bytes = 0; bytes < 10 * LOG_BYTES; bytes += piece.length) {
    await publisher.publish(subjects.log(build), piece);
    await publisher.flush();
  }
}

test.run();

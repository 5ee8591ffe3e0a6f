/** The queue's clock is set five minutes forward or back: no builder is lost, and no time limit waits for the old time. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { QueueLab } from "../../support/queue/queue-lab.ts";

const test = suite<{ lab: QueueLab }>("clocks");

const FIVE_MINUTES_MS = 300_000;
/** Well below five minutes, so that a wait for the old time fails the test. */
const SOON_MS = 60_000;
/** The limit of the QueueLab. */
const CONTEXT_MS = 120_000;

test.before(async (world) => {
  world.lab = await QueueLab.start();
});
test.after.each(async ({ lab }) => {
  lab.cloud.refusal = undefined;
  await lab.tidy();
});
test.after(({ lab }) => lab?.stop());

for (const stepMs of [FIVE_MINUTES_MS, -FIVE_MINUTES_MS]) {
  const direction = stepMs > 0 ? "forward" : "back";

  test(`with the clock set five minutes ${direction} a build keeps its builder, and the next build gets one`, async ({
    lab,
  }) => {
    const build = await lab.reserve("ada");
    const agent = await lab.leased(build, 1);
    lab.clock.set(stepMs);
    await lab.pass(SOON_MS);
    assert.is(lab.record(build)?.state, "leased");
    assert.is(lab.record(build)?.attempt, 1);
    assert.is(agent.stopped, undefined);
    const next = await lab.reserve("bob");
    const other = await lab.until("the next build's builder", () => lab.agentOf(next, 1), SOON_MS);
    // NATS accepts the credential of a lease that was given after the step.
    const { connection } = await lab.nats.connect(other.lease?.jwt ?? "", other.key);
    await connection.flush();
    await connection.close();
    assert.is((await agent.end({ kind: "failed", exitCode: 1, reason: "as it was meant" })).order, "stop");
    assert.is(lab.record(build)?.final?.state, "failed");
  });

  test(`with the clock set five minutes ${direction} a frozen builder is lost as soon as otherwise`, async ({
    lab,
  }) => {
    const build = await lab.reserve("ada");
    const agent = await lab.leased(build, 1);
    lab.clock.set(stepMs);
    await lab.pass(15_000);
    agent.frozen = true;
    await lab.leased(build, 2);
  });

  test(`with the clock set five minutes ${direction} an upload keeps its time limit`, async ({ lab }) => {
    const archive = { kind: "object", maxBytes: 1000 } as const;
    const build = await lab.reserve("ada", { context: { directory: "/", highestId: 0, archive } });
    await lab.pass(15_000);
    lab.clock.set(stepMs);
    await lab.pass(CONTEXT_MS - 30_000);
    assert.is(lab.record(build)?.state, "waiting");
    const final = await lab.until("the stalled upload ends the build", () => lab.record(build)?.final, SOON_MS);
    assert.is(final.state, "lost");
  });
}

test("a build that is reserved after the clock was set back does not overtake waiting builds", async ({ lab }) => {
  await lab.fullReserve();
  lab.cloud.refusal = new CbError("infrastructure", "no machine today");
  const taken = [await lab.reserve("ada"), await lab.reserve("bob")];
  for (const build of taken) await lab.leased(build, 1);
  const first = await lab.reserve("ada");
  lab.clock.set(-FIVE_MINUTES_MS);
  const later = [await lab.reserve("bob"), await lab.reserve("carol")];
  const order = lab.queue.builds.waiting().map(({ build }) => build);
  assert.equal(order, [first, ...later]);
});

test.run();

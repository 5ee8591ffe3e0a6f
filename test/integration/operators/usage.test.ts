/** Usage of users and their quotas on a real NATS with the whole queue: each end is counted once, whenever the queue is killed. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CbError } from "../../../lib/core/errors.ts";
import { adminUsage } from "../../../lib/protocol/requests.ts";
import { LabOperator } from "../../support/queue/lab-operator.ts";
import { QueueLab } from "../../support/queue/queue-lab.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ lab: QueueLab; operator: LabOperator }>("usage");

test.before(async (world) => {
  world.lab = await QueueLab.start();
  world.operator = await LabOperator.of(world.lab);
});
test.after.each(({ lab }) => lab.tidy());
test.after(async ({ lab }) => {
  await lab?.stop();
});

/** A failed build of that user; resolves when everything after its end is done. */
async function failedBuild(lab: QueueLab, user: string): Promise<string> {
  const build = await lab.reserve(user);
  const agent = await lab.leased(build, 1);
  await rejection(agent.end({ kind: "failed", exitCode: 1, reason: "no" }));
  await lab.until("the end", () => lab.record(build)?.announced);
  return build;
}

/** The failed builds and the time of builders in the month of that build. */
async function usageOf({ lab, operator }: { lab: QueueLab; operator: LabOperator }, build: string) {
  const record = lab.record(build);
  const month = new Date(record?.endedAtMs ?? 0).toISOString().slice(0, 7);
  const { users } = await operator.request(adminUsage, { v: 1, month, user: record?.user ?? "" });
  return users.map(({ failed, builderMs }) => [failed, builderMs]);
}

const timeOf = (lab: QueueLab, build: string): number => {
  const { leasedAtMs = 0, endedAtMs = 0 } = lab.record(build) ?? {};
  return endedAtMs - leasedAtMs;
};

test("an end is counted once when the outcome of its last write is unknown", async (world) => {
  const { lab } = world;
  lab.loseReplyTo = '"announced":true';
  lab.loseReads = 1;
  const build = await failedBuild(lab, "ada");
  assert.equal([lab.loseReplyTo, lab.loseReads], [undefined, 0], "both were lost");
  assert.equal(await usageOf(world, build), [[1, timeOf(lab, build)]]);
});

test("an end is counted once when the queue is killed between the count and the last write, and over restarts", async (world) => {
  const { lab } = world;
  const first = await failedBuild(lab, "grace");
  const build = await failedBuild(lab, "grace");
  await lab.queue.kill();
  const core = await lab.nats.core();
  const kv = await core.jetstream().views.kv("cb-builds");
  const key = `build.${build}`;
  const entry = await kv.get(key);
  const { announced, ...before } = entry?.json<Record<string, unknown>>() ?? {};
  assert.is(announced, true);
  await kv.update(key, JSON.stringify(before), entry?.revision ?? 0);
  await core.close();
  await lab.startQueue();
  await lab.until("the end is done again", () => lab.record(build)?.announced);
  assert.equal(await usageOf(world, build), [[2, timeOf(lab, first) + timeOf(lab, build)]]);
});

test("a quota refuses a further build and names the use, the limit and the time when it is free", async ({ lab }) => {
  await lab.queue.kill();
  lab.quotas = { users: { eve: { buildsPerDay: 2 } } };
  await lab.startQueue();
  for (const user of ["eve", "eve", "ada", "ada", "ada"]) await lab.reserve(user);
  const refused = (await rejection(lab.reserve("eve"))) as CbError;
  assert.equal([refused.kind, refused.message], ["infrastructure", "you have used 2 of 2 builds today"]);
  assert.match(refused.hint ?? "", /the count begins anew in .*, at \S+ 00:00 UTC; ask your operator for more/);
});

test.run();

/** The `queued` states of a waiting build: its position and the reason, published at each change of either. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { RefusedError } from "../../../lib/provider/provider.ts";
import type { LabAgent } from "../../support/queue/lab-agent.ts";
import { QueueLab } from "../../support/queue/queue-lab.ts";

const test = suite<{ lab: QueueLab }>("waiting");

test.before(async (world) => {
  world.lab = await QueueLab.start();
});
test.before.each(async ({ lab }) => {
  await lab.fullReserve();
});
test.after.each(async ({ lab }) => {
  lab.cloud.refusal = undefined;
  lab.cloud.boot();
  await lab.tidy();
});
test.after(({ lab }) => lab?.stop());

/** The `queued` states of the build, in order, as "POSITION: REASON". */
async function noticesOf(lab: QueueLab, build: string): Promise<string[]> {
  const entries = await lab.streamOf(build);
  return entries.flatMap((entry) =>
    typeof entry !== "string" && entry.state === "queued" ? [`${entry.position}: ${entry.reason}`] : [],
  );
}

/** Resolves when the newest notice of the build is that one. */
function noticed(lab: QueueLab, build: string, notice: string | RegExp): Promise<unknown> {
  return lab.until(`${build} gets the notice ${notice}`, async () => {
    const latest = (await noticesOf(lab, build)).at(-1) ?? "";
    return typeof notice === "string" ? latest === notice : notice.test(latest);
  });
}

/** Reserves that many builds of the user, and resolves when each has its builder. */
async function occupy(lab: QueueLab, user: string, builds: number): Promise<LabAgent[]> {
  const agents: LabAgent[] = [];
  for (let n = 0; n < builds; n++) agents.push(await lab.leased(await lab.reserve(user), 1));
  return agents;
}

const fail = (agent: LabAgent) => agent.end({ kind: "failed", exitCode: 1, reason: "as it was meant" });

test("when all builders are busy, builds move up as others end or are cancelled", async ({ lab }) => {
  const [first] = await occupy(lab, "ada", 3);
  const [second] = await occupy(lab, "bob", 3);
  const next = await lab.reserve("carol");
  const cancelled = await lab.reserve("dave");
  const last = await lab.reserve("eve");
  await noticed(lab, next, "1: all 6 builders busy");
  await noticed(lab, last, "3: all 6 builders busy");
  await lab.cancel(cancelled);
  await noticed(lab, last, "2: all 6 builders busy");
  await fail(first as LabAgent);
  await lab.leased(next, 1);
  await noticed(lab, last, "1: all 6 builders busy");
  await fail(second as LabAgent);
  await lab.leased(last, 1);
  const positions = (await noticesOf(lab, last)).map((notice) => Number.parseInt(notice, 10));
  assert.equal(positions, [...positions].sort().reverse(), "no build moves back");
});

test("while builders boot, a waiting build gets their number as the reason", async ({ lab }) => {
  lab.cloud.boots = false;
  await occupy(lab, "ada", 2);
  const build = await lab.reserve("bob");
  await noticed(lab, build, "1: 3 builders booting");
  lab.cloud.boot();
  await lab.leased(build, 1);
});

test("a user at the limit gets the limit as the reason, and a builder when one of the running builds ends", async ({
  lab,
}) => {
  const [first] = await occupy(lab, "ada", 4);
  const build = await lab.reserve("ada");
  await noticed(lab, build, "1: you have 4 running builds; the limit is 4 per user");
  await fail(first as LabAgent);
  await lab.leased(build, 1);
});

test("an exhausted quota is the reason, in the provider's words, until a create succeeds", async ({ lab }) => {
  lab.cloud.refusal = new RefusedError("infrastructure", "quota, 2 of 2 instances", { limit: "quota" });
  await occupy(lab, "ada", 2);
  const build = await lab.reserve("bob");
  await noticed(lab, build, "1: reserve 0 of 2: quota, 2 of 2 instances");
  lab.cloud.refusal = undefined;
  await lab.leased(build, 1);
});

test("failing creates are the reason, until a create succeeds", async ({ lab }) => {
  lab.cloud.refusal = new CbError("infrastructure", "the cloud has no host for it");
  await occupy(lab, "ada", 2);
  const build = await lab.reserve("bob");
  const backsOff = /^1: a pause after \d+ failures to make a builder, the last: .*the cloud has no host for it/;
  await noticed(lab, build, backsOff);
  lab.cloud.refusal = undefined;
  await lab.leased(build, 1);
  const notices = await noticesOf(lab, build);
  assert.not.match(notices.at(-1) ?? "", backsOff);
  const repeated = notices.filter((notice, n) => notice === notices[n - 1]);
  assert.equal(repeated, [], "no notice is published twice in a row");
});

test.run();

/** What a caller hears while a build waits: its place and the reason, each change of them, and nothing that is over. */
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

/** What the build's caller was told while it waited, in order. */
async function heard(lab: QueueLab, build: string): Promise<string[]> {
  const told = await lab.told(build);
  return told.flatMap((one) =>
    typeof one !== "string" && one.state === "queued" ? [`${one.position}: ${one.reason}`] : [],
  );
}

/** It is told so, and that is the latest that it is told. */
function hears(lab: QueueLab, build: string, words: string | RegExp): Promise<unknown> {
  return lab.until(`${build} hears ${words}`, async () => {
    const latest = (await heard(lab, build)).at(-1) ?? "";
    return typeof words === "string" ? latest === words : words.test(latest);
  });
}

/** That many builds of the user, each with its builder. */
async function busy(lab: QueueLab, user: string, builds: number): Promise<LabAgent[]> {
  const agents: LabAgent[] = [];
  for (let n = 0; n < builds; n++) agents.push(await lab.leased(await lab.reserve(user), 1));
  return agents;
}

const fails = (agent: LabAgent) => agent.end({ kind: "failed", exitCode: 1, reason: "as it was meant" });

test("where every builder there may be is busy, builds move up the line as others end or give up", async ({ lab }) => {
  const [first] = await busy(lab, "ada", 3);
  const [second] = await busy(lab, "bob", 3);
  const next = await lab.reserve("carol");
  const givesUp = await lab.reserve("dave");
  const last = await lab.reserve("eve");
  await hears(lab, next, "1: all 6 builders busy");
  await hears(lab, last, "3: all 6 builders busy");
  await lab.cancel(givesUp);
  await hears(lab, last, "2: all 6 builders busy");
  await fails(first as LabAgent);
  await lab.leased(next, 1);
  await hears(lab, last, "1: all 6 builders busy");
  await fails(second as LabAgent);
  await lab.leased(last, 1);
  const places = (await heard(lab, last)).map((words) => Number.parseInt(words, 10));
  assert.equal(places, [...places].sort().reverse(), "nobody falls back");
});

test("who waits for a builder on its way up hears of it, and not of those before it in the line", async ({ lab }) => {
  lab.cloud.boots = false;
  await busy(lab, "ada", 2);
  const build = await lab.reserve("bob");
  await hears(lab, build, "1: 3 builders booting");
  lab.cloud.boot();
  await lab.leased(build, 1);
});

test("a user at the cap hears so though builders are ready, and is served when a build of theirs ends", async ({
  lab,
}) => {
  const [first] = await busy(lab, "ada", 4);
  const build = await lab.reserve("ada");
  await hears(lab, build, "1: 4 builds of yours running, which is the limit for one user");
  await fails(first as LabAgent);
  await lab.leased(build, 1);
});

test("a quota that is used up is the reason in the provider's words, until there is room", async ({ lab }) => {
  lab.cloud.refusal = new RefusedError("infrastructure", "quota, 2 of 2 instances", { limit: "quota" });
  await busy(lab, "ada", 2);
  const build = await lab.reserve("bob");
  await hears(lab, build, "1: reserve 0 of 2: quota, 2 of 2 instances");
  lab.cloud.refusal = undefined;
  await lab.leased(build, 1);
});

test("a cloud that makes nothing is the reason, and what is over is not said any more", async ({ lab }) => {
  lab.cloud.refusal = new CbError("infrastructure", "the cloud has no host for it");
  await busy(lab, "ada", 2);
  const build = await lab.reserve("bob");
  const backsOff = /^1: a pause after \d+ failures to make a builder, the last: .*the cloud has no host for it/;
  await hears(lab, build, backsOff);
  lab.cloud.refusal = undefined;
  await lab.leased(build, 1);
  const said = await heard(lab, build);
  assert.not.match(said.at(-1) ?? "", backsOff);
  const repeated = said.filter((words, n) => words === said[n - 1]);
  assert.equal(repeated, [], "nothing is said twice in a row");
});

test.run();

/** Someone's five hundred requests: they get a hundred places in the line, and others are served meanwhile. */
import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { QueueLab } from "../../support/queue/queue-lab.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ lab: QueueLab }>("fair");

const REQUESTS = 500;
/** The lab's limits. */
const [WAITING_MAX, LEASED_MAX] = [100, 4];

test.before(async (world) => {
  world.lab = await QueueLab.start();
});
test.after(({ lab }) => lab?.stop());

test("five hundred requests of one user are a hundred builds and refusals, four of them built at once, and another's one is built before the rest", async ({
  lab,
}) => {
  // The first one makes the connection of all.
  const first = await lab.reserve("mallory");
  const asked = await Promise.allSettled(Array.from({ length: REQUESTS - 1 }, () => lab.reserve("mallory")));
  const builds = [first, ...asked.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []))];
  const refused = asked.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
  assert.is(builds.length, WAITING_MAX);
  assert.is(new Set(builds).size, WAITING_MAX);
  assert.match((refused[0] as CbError).message, /builds of mallory are waiting, which is the limit for one user/);
  const build = await lab.reserve("ada");
  await lab.leased(build, 1);
  const leased = lab.queue.ports.builds.leased();
  const [hers, theirs] = [leased.filter(({ user }) => user === "ada"), leased.filter(({ user }) => user === "mallory")];
  assert.equal(
    hers.map((one) => one.build),
    [build],
  );
  assert.ok(theirs.length <= LEASED_MAX);
  // First come, first served: what is leased of mallory's is the oldest.
  const oldest = lab.queue.ports.builds
    .all()
    .filter(({ user }) => user === "mallory")
    .sort((a, b) => a.createdAtMs - b.createdAtMs)
    .slice(0, theirs.length);
  assert.equal(theirs.map((one) => one.build).sort(), oldest.map((one) => one.build).sort());
});

test("a user at the cap is passed over and told so, though builders are ready", async ({ lab }) => {
  const mine = () => lab.queue.ports.builds.leased().filter(({ user }) => user === "mallory").length;
  await lab.until("four are leased", () => mine() === LEASED_MAX);
  await lab.pass(10_000);
  assert.is(mine(), LEASED_MAX);
  const next = lab.queue.ports.builds.waiting()[0];
  assert.is(next?.user, "mallory");
  const told = (await lab.told(next?.build ?? "")).at(-1);
  assert.equal(told, {
    v: 1,
    state: "queued",
    position: 1,
    reason: "4 builds of yours running, which is the limit for one user",
  });
});

test("a request that is repeated is the same build, at once, and where it would be one too many", async ({ lab }) => {
  const request = randomUUID();
  const [first, second] = await Promise.all([lab.reserve("bob", { request }), lab.reserve("bob", { request })]);
  assert.is(first, second);
  assert.is(await lab.reserve("bob", { request }), first);
  const waiting = lab.queue.ports.builds.waiting().find(({ user }) => user === "mallory");
  assert.is(await lab.reserve("mallory", { request: waiting?.request ?? "" }), waiting?.build);
});

test("a place in the line becomes free with a build that gets its builder, and with one that is cancelled", async ({
  lab,
}) => {
  const waiting = () => lab.queue.ports.builds.waiting().filter(({ user }) => user === "mallory");
  while (waiting().length < WAITING_MAX) await lab.reserve("mallory");
  assert.instance(await rejection(lab.reserve("mallory")), CbError);
  await lab.cancel(waiting()[0]?.build ?? "");
  assert.ok(await lab.reserve("mallory"));
});

test.run();

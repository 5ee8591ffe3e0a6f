/** One user sends five hundred reservations: a hundred of them may wait, and another user's build is not delayed. */
import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { QueueLab } from "../../support/queue/queue-lab.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ lab: QueueLab }>("fair");

const REQUESTS = 500;
/** The limits of the QueueLab. */
const [WAITING_MAX, LEASED_MAX] = [100, 4];

test.before(async (world) => {
  world.lab = await QueueLab.start();
});
test.after(({ lab }) => lab?.stop());

test("of five hundred reservations of one user a hundred are accepted and four leased at once; another user's build is leased before the rest", async ({
  lab,
}) => {
  // The first reservation opens the connection for all of them.
  const first = await lab.reserve("mallory");
  const results = await Promise.allSettled(Array.from({ length: REQUESTS - 1 }, () => lab.reserve("mallory")));
  const builds = [first, ...results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []))];
  const refused = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
  assert.is(builds.length, WAITING_MAX);
  assert.is(new Set(builds).size, WAITING_MAX);
  assert.match((refused[0] as CbError).message, /you have reached the limit of 100 waiting builds per user/);
  const build = await lab.reserve("ada");
  await lab.leased(build, 1);
  const leased = lab.queue.builds.leased();
  const leasedTo = (name: string) => leased.filter(({ user }) => user === name);
  const [adas, mallorys] = [leasedTo("ada"), leasedTo("mallory")];
  assert.equal(
    adas.map((record) => record.build),
    [build],
  );
  assert.ok(mallorys.length <= LEASED_MAX);
  // First come, first served: mallory's leased builds are the oldest.
  const oldest = lab.queue.builds
    .all()
    .filter(({ user }) => user === "mallory")
    .sort((a, b) => a.createdAtMs - b.createdAtMs)
    .slice(0, mallorys.length);
  assert.equal(mallorys.map((record) => record.build).sort(), oldest.map((record) => record.build).sort());
});

test("a user at the limit is passed over and gets the limit as the reason, though builders are ready", async ({
  lab,
}) => {
  const leasedNow = () => lab.queue.builds.leased().filter(({ user }) => user === "mallory").length;
  await lab.until("four are leased", () => leasedNow() === LEASED_MAX);
  await lab.pass(10_000);
  assert.is(leasedNow(), LEASED_MAX);
  const next = lab.queue.builds.waiting()[0];
  assert.is(next?.user, "mallory");
  const newest = (await lab.streamOf(next?.build ?? "")).at(-1);
  const { waiting, ...others } = newest as { readonly waiting?: number };
  assert.ok((waiting ?? 0) > 0);
  assert.equal(others, {
    v: 1,
    state: "queued",
    position: 1,
    reason: "you have 4 running builds; the limit is 4 per user",
  });
});

test("a repeated reservation returns the same build, also while the first is in progress and at the limit", async ({
  lab,
}) => {
  const request = randomUUID();
  const [first, second] = await Promise.all([lab.reserve("bob", { request }), lab.reserve("bob", { request })]);
  assert.is(first, second);
  assert.is(await lab.reserve("bob", { request }), first);
  const waiting = lab.queue.builds.waiting().find(({ user }) => user === "mallory");
  assert.is(await lab.reserve("mallory", { request: waiting?.request ?? "" }), waiting?.build);
});

test("a user at the limit of waiting builds can reserve again when one is leased or cancelled", async ({ lab }) => {
  const waiting = () => lab.queue.builds.waiting().filter(({ user }) => user === "mallory");
  while (waiting().length < WAITING_MAX) await lab.reserve("mallory");
  assert.instance(await rejection(lab.reserve("mallory")), CbError);
  await lab.cancel(waiting()[0]?.build ?? "");
  assert.ok(await lab.reserve("mallory"));
});

test.run();

/** Lost replies, rate limits, old listings, and the number of calls of a reserve, with a proxy between the pool and the cloud. */
// alone: all files share one testbed, and its faults
// timeout: 2400 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CloudLab, type LabOptions, RESERVE } from "../support/openstack/cloud-lab.ts";
import { type Call, OpenStackProxy } from "../support/openstack/openstack-proxy.ts";

const test = suite("replies of OpenStack");
let proxy: OpenStackProxy;
let lab: CloudLab | undefined;

test.before(async () => {
  proxy = await OpenStackProxy.start();
});
test.after.each(async () => {
  await lab?.stop();
  lab = undefined;
});
test.after(() => proxy.stop());

const isCreate = ({ service, method, path }: Call): boolean =>
  service === "nova" && method === "POST" && /\/servers(?:\?|$)/.test(path);

async function labWith(options: Omit<LabOptions, "authUrl">): Promise<CloudLab> {
  lab = await CloudLab.start({ ...options, authUrl: proxy.authUrl });
  return lab;
}

test("a create with a lost reply creates one machine, which the pool finds, and nothing is left in the end", async () => {
  proxy.next(isCreate, { kind: "lose" });
  const running = await labWith({ installation: "lost" });
  await running.untilSettled("settled after a lost reply");
  const { demo, before } = running;
  assert.is((await demo.servers()).length, before.servers.length + RESERVE);
  assert.is(proxy.calls.filter(isCreate).length, RESERVE, "one create for each machine");
  await running.empty();
  assert.equal(await demo.listings(), before);
});

test("after 429 with Retry-After the pool waits, and then fills its reserve", async () => {
  const body = JSON.stringify({ overLimit: { code: 429, message: "This request was rate-limited.", retryAfter: "3" } });
  let refused = 0;
  proxy.treat = (call) => {
    if (!isCreate(call) || refused >= 3) return { kind: "pass" };
    refused++;
    return { kind: "reply", status: 429, headers: { "retry-after": "3" }, body };
  };
  await (await labWith({ installation: "limited" })).untilSettled("settled after three refusals");
  assert.is(refused, 3);
});

const isListing = ({ service, method, path }: Call): boolean =>
  service === "nova" && method === "GET" && path.includes("/servers/detail");

/** Long enough for several passes of the reconciler, which would act on a wrong listing. */
const STALE_MS = 15_000;

test("listings older than the last create or destroy cause no second machine and no destroy", async () => {
  const running = await labWith({ installation: "stale" });
  await running.untilSettled("the reserve");
  const creates = proxy.calls.filter(isCreate).length;
  proxy.treat = (call) => (isListing(call) ? { kind: "stale" } : { kind: "pass" });
  await running.useOne();
  const isFull = () => running.pool.readyBuilders().length === RESERVE;
  await running.until("the replacement is ready, though no listing shows it", isFull);
  await running.pass(STALE_MS);
  assert.ok(isFull());
  proxy.treat = () => ({ kind: "pass" });
  await running.untilSettled("settled after old listings");
  assert.is(proxy.calls.filter(isCreate).length, creates + 1, "the used builder has one replacement");
});

/** Long enough to measure a rate per minute: six passes of the reconciler, one every ten seconds. */
const WATCH_MS = 60_000;

async function callsPerMinute(label: string, during: () => Promise<void>): Promise<number> {
  const from = proxy.calls.length;
  const startedMs = performance.now();
  await during();
  const minutes = (performance.now() - startedMs) / 60_000;
  const rate = (proxy.calls.length - from) / minutes;
  console.log(`${label}: ${rate.toFixed(1)} calls a minute`);
  return rate;
}

test("the calls of an idle pool do not grow with its reserve", async () => {
  const rates: number[] = [];
  for (const reserveTarget of [5, 50]) {
    // relistMs as at a site.
    const policy = { reserveTarget, totalMax: reserveTarget + 10, relistMs: 10_000 };
    const running = await labWith({ installation: `idle-${reserveTarget}`, policy });
    await running.untilSettled(`a reserve of ${reserveTarget}`, 600_000);
    rates.push(await callsPerMinute(`idle, a reserve of ${reserveTarget}`, () => running.pass(WATCH_MS)));
    if (reserveTarget === 50) {
      // Each build uses one machine of the reserve, which is destroyed and replaced.
      await callsPerMinute("busy, ten builds, a reserve of 50", async () => {
        for (let build = 0; build < 10; build++) await running.useOne();
        await running.untilSettled("settled after ten builds", 600_000);
      });
    }
    await running.stop();
    lab = undefined;
  }
  const [few = 0, many = 0] = rates;
  assert.ok(many <= few + 2, `${few} calls a minute with a reserve of 5, ${many} with 50`);
});

test.run();

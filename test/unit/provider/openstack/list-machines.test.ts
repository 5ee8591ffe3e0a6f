/** listMachines() on a recorded cloud: the installation's own servers, the status of each, and complete and cached listings. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { OpenStackProvider } from "../../../../lib/provider/openstack/provider.ts";
import { RefusedError } from "../../../../lib/provider/provider.ts";
import {
  failureOf,
  listingOf,
  never,
  providerOn,
  serverAs,
  sharedCloud,
  spec,
  TEMPLATE,
} from "../../../support/openstack/openstack-provider.ts";
import { type CloudReply, RecordedCloud, recorded } from "../../../support/openstack/recorded-cloud.ts";

const LIST = "GET /nova/v2.1/servers/detail";

const test = suite<{ cloud: RecordedCloud }>("list machines on OpenStack");
test.before.each(async (context) => {
  context.cloud = await RecordedCloud.start();
});
test.after.each(({ cloud }) => cloud.stop());

const builders = (machines: readonly { builder: string }[]) => machines.map(({ builder }) => builder).sort();
const oneOf = (n: number) => `GET /nova/v2.1/servers/${idOf(n)}`;
/** The id of the n-th server that active() derives from a recording. */
const idOf = (n: number) => `${n}`.repeat(8);
const active = (n: number, changes: object = {}) =>
  serverAs("nova/server/active", spec(n), { id: idOf(n), ...changes });

test("listMachines() sends one call for all machines, filtered by the installation's tag", async ({ cloud }) => {
  cloud.replyTo(LIST, "nova/listings/active");
  const provider = providerOn(cloud);
  const { machines, complete } = await provider.listMachines(never());
  assert.equal([builders(machines), complete], [[1, 2, 3].map((n) => spec(n).builder), true]);
  const { userData: _, ...identity } = spec(1);
  const machine = machines.find(({ builder }) => builder === spec(1).builder);
  const createdAtMs = Date.parse(recorded("nova/server/active").body.server.created);
  assert.equal(machine, { ...identity, status: "running", host: "cb-default-00000001", createdAtMs });
  assert.is(cloud.requestCounts()[LIST], 1);
  assert.equal(Object.fromEntries(cloud.requests.at(-1)?.query ?? []), { tags: "cb-installation=site", limit: "500" });
});

test("listMachines() reads further pages from the last id on while nova sends a next link", async ({ cloud }) => {
  cloud.replyTo(LIST, "nova/listings/page-1", "nova/listings/page-2");
  const { machines, complete } = await providerOn(cloud).listMachines(never());
  assert.equal([machines.length, complete], [3, true]);
  const last = recorded("nova/listings/page-1").body.servers.at(-1).id;
  assert.equal(
    cloud.requests.filter(({ path }) => path.endsWith("detail")).map(({ query }) => query.get("marker")),
    [null, last],
  );
});

test("listMachines() throws when a page fails, or pages do not end, rather than return a part", async ({ cloud }) => {
  cloud.replyTo(LIST, "nova/listings/page-1", "nova/listings/bad-marker");
  assert.match((await failureOf(providerOn(cloud).listMachines(never()), CbError)).message, "marker [00000000");
  cloud.replyTo(LIST, "nova/listings/page-1", "nova/errors/without-keystone");
  assert.match(
    (await failureOf(providerOn(cloud).listMachines(never()), CbError)).message,
    "the cloud replies with status 503",
  );
  cloud.replyTo(LIST, "nova/listings/page-1", "disconnect");
  assert.match((await failureOf(providerOn(cloud).listMachines(never()), CbError)).message, "no reply to GET");
  cloud.replyTo(LIST, "nova/listings/page-1");
  assert.match((await failureOf(providerOn(cloud).listMachines(never()), CbError)).message, "more than 40 pages");
  cloud.replyTo(LIST, { status: 200, body: { servers: [{ name: "without an id" }] } });
  assert.match((await failureOf(providerOn(cloud).listMachines(never()), CbError)).message, "servers.0.id");
});

test("listMachines() throws RefusedError for a rate limit, with the cloud's Retry-After", async ({ cloud }) => {
  cloud.replyTo(LIST, { status: 429, headers: { "retry-after": "4" }, body: { overLimit: { message: "slow down" } } });
  const error = await failureOf(providerOn(cloud).listMachines(never()), RefusedError);
  assert.equal([error.limit, error.retryAfterMs], ["rate", 4000]);
});

/** The recordings of a server in each of its states, and the expected status and fault of the machine. */
const STATES: readonly (readonly [string, object, string, RegExp | undefined])[] = [
  ["nova/server/stuck-building", {}, "booting", undefined],
  ["nova/server/active", {}, "running", undefined],
  ["nova/server/active", { status: "REBOOT" }, "running", undefined],
  ["nova/server/deleting", {}, "destroying", undefined],
  ["nova/server/active", { "OS-EXT-STS:task_state": "deleting" }, "destroying", undefined],
  ["nova/server/stuck-building", { "OS-EXT-STS:task_state": "deleting" }, "destroying", undefined],
  ["nova/server/error-no-host", { "OS-EXT-STS:task_state": "deleting" }, "destroying", undefined],
  ["nova/server/active", { status: "DELETED" }, "destroying", undefined],
  ["nova/server/active", { status: "SOFT_DELETED" }, "destroying", undefined],
  ["nova/server/error-no-host", {}, "error", /^No valid host was found\.$/],
  ["nova/server/error-aborted", {}, "error", /aborted by driver$/],
  ["nova/server/error-retries", {}, "error", /^Exceeded maximum number of retries/],
  ["nova/server/error-undeletable", {}, "error", /^Failed to terminate instance: hypervisor says no$/],
  ["nova/server/active", { status: "ERROR" }, "error", /^ERROR, and nova gives no reason$/],
  ["nova/server/shutoff", {}, "error", /shut down by itself/],
  ["nova/server/active", { status: "PAUSED" }, "error", /^nova lists the machine as PAUSED$/],
  ["nova/server/active", { status: "SHELVED_OFFLOADED" }, "error", /SHELVED_OFFLOADED/],
];

for (const [name, changes, status, fault] of STATES) {
  test(`listMachines() maps ${name} ${JSON.stringify(changes)} to ${status}`, async ({ cloud }) => {
    cloud.replyTo(LIST, listingOf(serverAs(name, spec(1), changes)));
    const [machine] = (await providerOn(cloud).listMachines(never())).machines;
    assert.is(machine?.status, status);
    if (fault === undefined) assert.is(machine?.fault, undefined);
    else assert.match(machine?.fault ?? "", fault);
  });
}

test("listMachines() omits servers with an incomplete identity, or of another installation", async ({ cloud }) => {
  const own = active(1);
  const others = spec(2);
  cloud.replyTo(
    LIST,
    listingOf(
      own,
      active(2, { metadata: {} }),
      active(3, { tags: ["cb-installation=site"] }),
      active(4, { metadata: { ...Object(active(4)).metadata, "cb-pool": "another" } }),
      serverAs("nova/server/active", { ...others, installation: "site-2" }),
      serverAs("nova/server/active", { ...others, builder: "../../etc" }),
      serverAs("nova/server/active", { ...others, attempt: "" }),
      serverAs("nova/server/active", { ...others, generation: "" }),
    ),
  );
  assert.equal(builders((await providerOn(cloud).listMachines(never())).machines), [spec(1).builder]);
});

test("the pools on one cloud share a listing, which has the time of its start", async ({ cloud }) => {
  cloud.replyTo(LIST, "nova/listings/active");
  const shared = sharedCloud(cloud);
  const [one, two] = [new OpenStackProvider(shared, TEMPLATE), new OpenStackProvider(shared, TEMPLATE)];
  const beforeMs = Date.now();
  const [first, second] = await Promise.all([one.listMachines(never()), two.listMachines(never())]);
  const afterMs = Date.now();
  const third = await two.listMachines(never());
  assert.is(cloud.requestCounts()[LIST], 1);
  assert.equal([second, third], [first, first]);
  const { startedAtMs = 0 } = first;
  assert.ok(startedAtMs >= beforeMs && startedAtMs <= afterMs);
});

test("a create or a destroy drops the cached listing", async ({ cloud }) => {
  cloud.replyTo(LIST, "nova/listings/active");
  const shared = sharedCloud(cloud);
  const [one, two] = [new OpenStackProvider(shared, TEMPLATE), new OpenStackProvider(shared, TEMPLATE)];
  const calls = async (): Promise<number | undefined> => {
    await two.listMachines(never());
    return cloud.requestCounts()[LIST];
  };
  assert.is(await calls(), 1);
  await one.create(spec(4), never());
  assert.is(await calls(), 2);
  const { id } = recorded("nova/listings/active").body.servers[0];
  cloud.replyTo(`DELETE /nova/v2.1/servers/${id}`, "nova/server/deleted");
  await one.destroy(recorded("nova/listings/active").body.servers[0].metadata["cb-builder"], never());
  assert.is(await calls(), 3);
});

test("a listing in flight during a create is not reused after it", async ({ cloud }) => {
  let reply: (value: CloudReply) => void = () => undefined;
  cloud.replyTo(LIST, new Promise<CloudReply>((resolve) => (reply = resolve)), listingOf(active(1)));
  const provider = providerOn(cloud);
  const received = cloud.nextRequest(LIST);
  const old = provider.listMachines(never());
  await received;
  await provider.create(spec(1), never());
  reply(listingOf());
  assert.equal((await old).machines, []);
  assert.equal(builders((await provider.listMachines(never())).machines), [spec(1).builder]);
});

test("a missing server is looked up by its id before it counts as deleted", async ({ cloud }) => {
  const shared = sharedCloud(cloud);
  const provider = new OpenStackProvider(shared, TEMPLATE);
  const listWith = async (...listed: object[]) => {
    cloud.replyTo(LIST, listingOf(...listed));
    shared.listing.invalidate();
    const { machines, complete } = await provider.listMachines(never());
    return [builders(machines), complete];
  };
  const [one, two] = [spec(1).builder, spec(2).builder];
  assert.equal(await listWith(active(1), active(2)), [[one, two], true]);

  // Its cell is down: it may exist.
  cloud.replyTo(oneOf(2), { status: 200, body: { server: { id: idOf(2), status: "UNKNOWN" } } });
  assert.equal(await listWith(active(1)), [[one], false]);
  // The listing was old.
  cloud.replyTo(oneOf(2), { status: 200, body: { server: active(2) } });
  assert.equal(await listWith(active(1)), [[one, two], true]);
  // It is deleted, and not looked up again.
  cloud.replyTo(oneOf(2), "nova/server/gone");
  assert.equal(await listWith(active(1)), [[one], true]);
  const before = cloud.requestCounts()[oneOf(2)];
  assert.equal(await listWith(active(1)), [[one], true]);
  assert.equal([before, cloud.requestCounts()[oneOf(2)]], [3, 3]);
});

test("a created machine is looked up by its id when a listing does not show it", async ({ cloud }) => {
  const { id } = recorded("nova/server/created").body.server;
  cloud.replyTo(LIST, listingOf(active(2)));
  cloud.replyTo(`GET /nova/v2.1/servers/${id}`, { status: 200, body: { server: active(1, { id }) } });
  const provider = providerOn(cloud);
  await provider.create(spec(1), never());
  assert.equal(builders((await provider.listMachines(never())).machines), [spec(1).builder, spec(2).builder]);
});

for (const reason of ["was listed as deleting", "was destroyed"]) {
  const isListed = reason !== "was destroyed";
  test(`a server that ${reason} counts as deleted when a lookup by its id finds none`, async ({ cloud }) => {
    const shared = sharedCloud(cloud);
    const provider = new OpenStackProvider(shared, TEMPLATE);
    const list = async () => {
      shared.listing.invalidate();
      const { machines, complete } = await provider.listMachines(never());
      return [builders(machines), complete];
    };
    cloud.replyTo(LIST, listingOf(active(1, isListed ? { "OS-EXT-STS:task_state": "deleting" } : {})));
    await list();
    cloud.replyTo(`DELETE /nova/v2.1/servers/${idOf(1)}`, "nova/server/deleted");
    if (!isListed) await provider.destroy(spec(1).builder, never());
    cloud.replyTo(LIST, listingOf());
    // Its cell is down: it may still run.
    cloud.replyTo(oneOf(1), { status: 200, body: { server: { id: idOf(1), status: "UNKNOWN" } } });
    assert.equal(await list(), [[], false]);
    cloud.replyTo(oneOf(1), { status: 200, body: { server: active(1, { status: "SOFT_DELETED" }) } });
    assert.equal(await list(), [[], true], "a soft-deleted server is switched off");
    const before = cloud.requestCounts()[oneOf(1)];
    assert.equal(await list(), [[], true]);
    assert.equal([before, cloud.requestCounts()[oneOf(1)]], [2, 2], "it is not looked up again");
  });
}

test("of 22 missing servers one listing looks up twenty, and is not complete", async ({ cloud }) => {
  const shared = sharedCloud(cloud);
  const provider = new OpenStackProvider(shared, TEMPLATE);
  const many = Array.from({ length: 22 }, (_, n) => {
    const machine = { ...spec(1), builder: spec(1).builder.replace(/^.{8}/, String(10_000_000 + n)) };
    return serverAs("nova/server/active", machine, { id: `many-${n}` });
  });
  cloud.replyTo(LIST, listingOf(...many));
  await provider.listMachines(never());
  cloud.replyTo(LIST, listingOf());
  const isComplete = async () => {
    shared.listing.invalidate();
    return (await provider.listMachines(never())).complete;
  };
  const lookups = () => cloud.requests.filter(({ path }) => path.includes("/servers/many-")).length;
  assert.equal([await isComplete(), lookups()], [false, 20]);
  assert.equal([await isComplete(), lookups()], [true, 22]);
});

test("a listing is not complete while the cell of a listed server is down", async ({ cloud }) => {
  cloud.replyTo(LIST, listingOf(active(1), { id: "2", status: "UNKNOWN", links: [] }));
  const { machines, complete, problem } = await providerOn(cloud).listMachines(never());
  assert.equal([builders(machines), complete], [[spec(1).builder], false]);
  assert.is(problem, "nova cannot tell whether the server 2 exists: its cell is down");
});

test.run();

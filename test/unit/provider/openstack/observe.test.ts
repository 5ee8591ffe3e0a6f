/** Listings of a recorded cloud: which servers are ours, what each is taken for, and when a listing is believed. */
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
  SHAPE,
  serverAs,
  siteFor,
  spec,
} from "../../../support/openstack/openstack-provider.ts";
import { type Answer, RecordedCloud, recorded } from "../../../support/openstack/recorded-cloud.ts";

const LIST = "GET /nova/v2.1/servers/detail";

const test = suite<{ cloud: RecordedCloud }>("observe on OpenStack");
test.before.each(async (context) => {
  context.cloud = await RecordedCloud.start();
});
test.after.each(({ cloud }) => cloud.stop());

const builders = (machines: readonly { builder: string }[]) => machines.map(({ builder }) => builder).sort();
const oneOf = (n: number) => `GET /nova/v2.1/servers/${idOf(n)}`;
/** Of the server that the tests make of a recorded one. */
const idOf = (n: number) => `${n}`.repeat(8);
const active = (n: number, changes: object = {}) => serverAs("server-active", spec(n), { id: idOf(n), ...changes });

test("observe() is one call for all machines, filtered by the installation's tag", async ({ cloud }) => {
  cloud.answer(LIST, "servers-active");
  const provider = providerOn(cloud);
  const { machines, complete } = await provider.listMachines(never());
  assert.equal([builders(machines), complete], [[1, 2, 3].map((n) => spec(n).builder), true]);
  const { userData: _, ...identity } = spec(1);
  const machine = machines.find(({ builder }) => builder === spec(1).builder);
  const createdAtMs = Date.parse(recorded("server-active").body.server.created);
  assert.equal(machine, { ...identity, status: "running", host: "cb-default-00000001", createdAtMs });
  assert.is(cloud.calls()[LIST], 1);
  assert.equal(Object.fromEntries(cloud.asked.at(-1)?.query ?? []), { tags: "cb-installation=site", limit: "500" });
});

test("observe() goes on with the last id of each page while nova says that there is more", async ({ cloud }) => {
  cloud.answer(LIST, "servers-page-1", "servers-page-2");
  const { machines, complete } = await providerOn(cloud).listMachines(never());
  assert.equal([machines.length, complete], [3, true]);
  const last = recorded("servers-page-1").body.servers.at(-1).id;
  assert.equal(
    cloud.asked.filter(({ path }) => path.endsWith("detail")).map(({ query }) => query.get("marker")),
    [null, last],
  );
});

test("observe() throws where a page fails, and where pages do not end: a part of the listing is none", async ({
  cloud,
}) => {
  cloud.answer(LIST, "servers-page-1", "servers-bad-marker");
  assert.match((await failureOf(providerOn(cloud).listMachines(never()), CbError)).message, "marker [00000000");
  cloud.answer(LIST, "servers-page-1", "nova-without-keystone");
  assert.match((await failureOf(providerOn(cloud).listMachines(never()), CbError)).message, "the cloud answers 503");
  cloud.answer(LIST, "servers-page-1", "cut");
  assert.match((await failureOf(providerOn(cloud).listMachines(never()), CbError)).message, "no answer to GET");
  cloud.answer(LIST, "servers-page-1");
  assert.match((await failureOf(providerOn(cloud).listMachines(never()), CbError)).message, "more than 40 pages");
  cloud.answer(LIST, { status: 200, body: { servers: [{ name: "without an id" }] } });
  assert.match((await failureOf(providerOn(cloud).listMachines(never()), CbError)).message, "servers.0.id");
});

test("observe() passes a rate limit on, with the time that the cloud asks for", async ({ cloud }) => {
  cloud.answer(LIST, { status: 429, headers: { "retry-after": "4" }, body: { overLimit: { message: "slow down" } } });
  const error = await failureOf(providerOn(cloud).listMachines(never()), RefusedError);
  assert.equal([error.limit, error.retryAfterMs], ["rate", 4000]);
});

/** The recorded answers of a server at each turn of its life, and what it is then. */
const STATES: readonly (readonly [string, object, string, RegExp | undefined])[] = [
  ["server-stuck-building", {}, "booting", undefined],
  ["server-active", {}, "running", undefined],
  ["server-active", { status: "REBOOT" }, "running", undefined],
  ["server-deleting", {}, "destroying", undefined],
  ["server-active", { "OS-EXT-STS:task_state": "deleting" }, "destroying", undefined],
  ["server-stuck-building", { "OS-EXT-STS:task_state": "deleting" }, "destroying", undefined],
  ["server-error-no-host", { "OS-EXT-STS:task_state": "deleting" }, "destroying", undefined],
  ["server-active", { status: "DELETED" }, "destroying", undefined],
  ["server-active", { status: "SOFT_DELETED" }, "destroying", undefined],
  ["server-error-no-host", {}, "error", /^No valid host was found\.$/],
  ["server-error-aborted", {}, "error", /aborted by driver$/],
  ["server-error-retries", {}, "error", /^Exceeded maximum number of retries/],
  ["server-error-undeletable", {}, "error", /^Failed to terminate instance: hypervisor says no$/],
  ["server-active", { status: "ERROR" }, "error", /^ERROR, and nova does not say why$/],
  ["server-shutoff", {}, "error", /switched itself off/],
  ["server-active", { status: "PAUSED" }, "error", /^nova shows it as PAUSED$/],
  ["server-active", { status: "SHELVED_OFFLOADED" }, "error", /SHELVED_OFFLOADED/],
];

for (const [name, changes, status, fault] of STATES) {
  test(`observe() takes ${name} ${JSON.stringify(changes)} for ${status}`, async ({ cloud }) => {
    cloud.answer(LIST, listingOf(serverAs(name, spec(1), changes)));
    const [machine] = (await providerOn(cloud).listMachines(never())).machines;
    assert.is(machine?.status, status);
    if (fault === undefined) assert.is(machine?.fault, undefined);
    else assert.match(machine?.fault ?? "", fault);
  });
}

test("observe() leaves out what only looks like ours", async ({ cloud }) => {
  const own = active(1);
  const others = spec(2);
  cloud.answer(
    LIST,
    listingOf(
      own,
      active(2, { metadata: {} }),
      active(3, { tags: ["cb-installation=site"] }),
      active(4, { metadata: { ...Object(active(4)).metadata, "cb-pool": "another" } }),
      serverAs("server-active", { ...others, installation: "site-2" }),
      serverAs("server-active", { ...others, builder: "../../etc" }),
      serverAs("server-active", { ...others, attempt: "" }),
      serverAs("server-active", { ...others, generation: "" }),
    ),
  );
  assert.equal(builders((await providerOn(cloud).listMachines(never())).machines), [spec(1).builder]);
});

test("one listing serves the pools of an installation on one cloud, and says when it was started", async ({
  cloud,
}) => {
  cloud.answer(LIST, "servers-active");
  const site = siteFor(cloud);
  const [one, two] = [new OpenStackProvider(site, SHAPE), new OpenStackProvider(site, SHAPE)];
  const beforeMs = Date.now();
  const [first, second] = await Promise.all([one.listMachines(never()), two.listMachines(never())]);
  const afterMs = Date.now();
  const third = await two.listMachines(never());
  assert.is(cloud.calls()[LIST], 1);
  assert.equal([second, third], [first, first]);
  const { startedAtMs = 0 } = first;
  assert.ok(startedAtMs >= beforeMs && startedAtMs <= afterMs);
});

test("a listing is not shown to anybody after a create or a destroy", async ({ cloud }) => {
  cloud.answer(LIST, "servers-active");
  const site = siteFor(cloud);
  const [one, two] = [new OpenStackProvider(site, SHAPE), new OpenStackProvider(site, SHAPE)];
  const calls = async (): Promise<number | undefined> => {
    await two.listMachines(never());
    return cloud.calls()[LIST];
  };
  assert.is(await calls(), 1);
  await one.create(spec(4), never());
  assert.is(await calls(), 2);
  const { id } = recorded("servers-active").body.servers[0];
  cloud.answer(`DELETE /nova/v2.1/servers/${id}`, "server-deleted");
  await one.destroy(recorded("servers-active").body.servers[0].metadata["cb-builder"], never());
  assert.is(await calls(), 3);
});

test("a listing under way when a machine is made is not given to who asks afterwards", async ({ cloud }) => {
  let reply: (answer: Answer) => void = () => undefined;
  cloud.answer(LIST, new Promise<Answer>((resolve) => (reply = resolve)), listingOf(active(1)));
  const provider = providerOn(cloud);
  const arrived = cloud.arrival(LIST);
  const old = provider.listMachines(never());
  await arrived;
  await provider.create(spec(1), never());
  reply(listingOf());
  assert.equal((await old).machines, []);
  assert.equal(builders((await provider.listMachines(never())).machines), [spec(1).builder]);
});

test("a server that vanishes is asked for by its id before that is believed", async ({ cloud }) => {
  const site = siteFor(cloud);
  const provider = new OpenStackProvider(site, SHAPE);
  const looked = async (...listed: object[]) => {
    cloud.answer(LIST, listingOf(...listed));
    site.listing.changed();
    const { machines, complete } = await provider.listMachines(never());
    return [builders(machines), complete];
  };
  const [one, two] = [spec(1).builder, spec(2).builder];
  assert.equal(await looked(active(1), active(2)), [[one, two], true]);

  // Its cell does not answer: it may exist.
  cloud.answer(oneOf(2), { status: 200, body: { server: { id: idOf(2), status: "UNKNOWN" } } });
  assert.equal(await looked(active(1)), [[one], false]);
  // The listing was wrong, or old.
  cloud.answer(oneOf(2), { status: 200, body: { server: active(2) } });
  assert.equal(await looked(active(1)), [[one, two], true]);
  // It is gone, and nobody asks again.
  cloud.answer(oneOf(2), "server-gone");
  assert.equal(await looked(active(1)), [[one], true]);
  const before = cloud.calls()[oneOf(2)];
  assert.equal(await looked(active(1)), [[one], true]);
  assert.equal([before, cloud.calls()[oneOf(2)]], [3, 3]);
});

test("a machine that was made is asked for by its id where a listing is older than that", async ({ cloud }) => {
  const { id } = recorded("server-created").body.server;
  cloud.answer(LIST, listingOf(active(2)));
  cloud.answer(`GET /nova/v2.1/servers/${id}`, { status: 200, body: { server: active(1, { id }) } });
  const provider = providerOn(cloud);
  await provider.create(spec(1), never());
  assert.equal(builders((await provider.listMachines(never())).machines), [spec(1).builder, spec(2).builder]);
});

for (const how of ["was seen on its way out", "was destroyed"]) {
  const isSeen = how !== "was destroyed";
  test(`a server that ${how} is gone when nova says so of its id`, async ({ cloud }) => {
    const site = siteFor(cloud);
    const provider = new OpenStackProvider(site, SHAPE);
    const look = async () => {
      site.listing.changed();
      const { machines, complete } = await provider.listMachines(never());
      return [builders(machines), complete];
    };
    cloud.answer(LIST, listingOf(active(1, isSeen ? { "OS-EXT-STS:task_state": "deleting" } : {})));
    await look();
    cloud.answer(`DELETE /nova/v2.1/servers/${idOf(1)}`, "server-deleted");
    if (!isSeen) await provider.destroy(spec(1).builder, never());
    cloud.answer(LIST, listingOf());
    // Its cell has stopped answering meanwhile: it may still run.
    cloud.answer(oneOf(1), { status: 200, body: { server: { id: idOf(1), status: "UNKNOWN" } } });
    assert.equal(await look(), [[], false]);
    cloud.answer(oneOf(1), { status: 200, body: { server: active(1, { status: "SOFT_DELETED" }) } });
    assert.equal(await look(), [[], true], "what is kept after its deletion is off");
    const before = cloud.calls()[oneOf(1)];
    assert.equal(await look(), [[], true]);
    assert.equal([before, cloud.calls()[oneOf(1)]], [2, 2], "and nobody asks again");
  });
}

test("of many servers that vanish at once twenty are asked for in a look, and the look is not complete", async ({
  cloud,
}) => {
  const site = siteFor(cloud);
  const provider = new OpenStackProvider(site, SHAPE);
  const many = Array.from({ length: 22 }, (_, n) => {
    const machine = { ...spec(1), builder: spec(1).builder.replace(/^.{8}/, String(10_000_000 + n)) };
    return serverAs("server-active", machine, { id: `many-${n}` });
  });
  cloud.answer(LIST, listingOf(...many));
  await provider.listMachines(never());
  cloud.answer(LIST, listingOf());
  const look = async () => {
    site.listing.changed();
    return (await provider.listMachines(never())).complete;
  };
  const asked = () => cloud.asked.filter(({ path }) => path.includes("/servers/many-")).length;
  assert.equal([await look(), asked()], [false, 20]);
  assert.equal([await look(), asked()], [true, 22]);
});

test("observe() is not complete while the cell of a listed server does not answer", async ({ cloud }) => {
  cloud.answer(LIST, listingOf(active(1), { id: "2", status: "UNKNOWN", links: [] }));
  const { machines, complete, problem } = await providerOn(cloud).listMachines(never());
  assert.equal([builders(machines), complete], [[spec(1).builder], false]);
  assert.is(problem, "nova cannot say whether the server 2 exists: its cell does not answer");
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { planDown } from "../../../../infra/site/cloud/plan/down.ts";
import type { DesiredHost, ObservedServer, ObservedSite } from "../../../../infra/site/cloud/plan/site-state.ts";
import {
  DESIRED,
  EMPTY,
  ours,
  plan,
  planned,
  port,
  server,
  text,
  WHOLE,
  withServers,
} from "../../../support/site/planned-site.ts";

const test = suite("planner of a site");

const BOOT = ["create-server lab-n1", "await-server lab-n1", "await-nats lab-n1"];
const QUEUE = ["create-server lab-q1", "await-server lab-q1", "await-queue lab-q1"];

/** Both boot at the same time. */
const NEW = ["create-server lab-n1", "create-server lab-q1", ...BOOT.slice(1), ...QUEUE.slice(1)];

test("an empty project gets groups before rules, ports before servers, and NATS before the queue", () => {
  assert.equal(planned(EMPTY), [
    ...["create-group lab-builders", "create-group lab-nats", "create-group lab-queue"],
    ...["add-rule lab-nats", "add-rule lab-nats", "add-rule lab-queue"],
    ...["create-port lab-n1", "create-port lab-q1"],
    ...["upload-image lab-host-1", "upload-image lab-builder-1"],
    ...NEW,
  ]);
});

test("a site that is there needs no action, in either mode", () => {
  for (const mode of ["up", "update"] as const)
    assert.equal(plan(WHOLE, mode), { actions: [], refusals: [], outdated: [] });
});

test("after a kill at any action, the rest is planned, and nothing twice", () => {
  const all = plan(EMPTY).actions;
  const parts: [keyof ObservedSite, readonly unknown[]][] = [
    ["groups", WHOLE.groups],
    ["ports", WHOLE.ports],
    ["images", WHOLE.images],
    ["servers", WHOLE.servers],
  ];
  let observed = EMPTY;
  let previous = all.length;
  for (const [key, items] of parts) {
    for (let count = 1; count <= items.length; count++) {
      observed = { ...observed, [key]: items.slice(0, count) };
      const left = plan(observed);
      assert.equal(left.refusals, []);
      assert.ok(left.actions.length < previous, `${key} ${count}`);
      previous = left.actions.length;
    }
  }
  assert.is(previous, 0);
});

test("a group that was made without its rules gets them; other rules of a group of the site are removed", () => {
  const other = { port: 23, from: { prefix: "0.0.0.0/0" }, id: "r9" };
  const groups = WHOLE.groups.map((group) => (group.name === "lab-nats" ? { ...group, rules: [other] } : group));
  assert.equal(planned({ ...WHOLE, groups }), ["add-rule lab-nats", "add-rule lab-nats", "remove-rule lab-nats"]);
});

test("an upload that did not end is deleted and made again", () => {
  const images = WHOLE.images.map((image) => ({ ...image, isWhole: image.name !== "lab-host-1" }));
  assert.equal(planned({ ...WHOLE, images }), ["delete-image lab-host-1", "upload-image lab-host-1"]);
});

test("a server that boots is awaited, one that was stopped is started, one that never started is made again", () => {
  const q = server("lab-q1", "queue");
  assert.equal(planned(withServers(server("lab-n1", "nats", { state: "starting" }), q)), BOOT.slice(1));
  assert.equal(planned(withServers(server("lab-n1", "nats", { state: "stopped" }), q)), [
    "start-server lab-n1",
    ...BOOT.slice(1),
  ]);
  const never = withServers(server("lab-n1", "nats", { state: "broken", hasRun: false }), q);
  assert.equal(planned(never), ["delete-server lab-n1", ...BOOT]);
  const deleting = withServers(server("lab-n1", "nats", { state: "deleting" }));
  assert.equal(planned(deleting), ["delete-server lab-n1", ...NEW]);
});

test("a NATS host that is lost beside a queue is refused, until a backup is named or the queue is gone too", () => {
  const q = server("lab-q1", "queue");
  for (const left of [[], [server("lab-n1", "nats", { state: "deleting" })]]) {
    const { actions, refusals } = plan(withServers(...left, q));
    assert.equal(actions, []);
    assert.match(refusals.join(), /the NATS host lab-n1 is gone, .* --restore BACKUP.*, or delete lab-q1 too/);
  }
  assert.equal(planned({ ...withServers(q), pendingRestore: { folder: "/b", replaces: "" } }), [
    ...["stop-server lab-q1", "delete-server lab-q1"],
    ...RESTORE,
  ]);
  assert.equal(planned(withServers()), NEW);
  const cluster = [1, 2, 3].map((at) => ({ ...DESIRED.hosts[0], name: `lab-n${at}` }) as DesiredHost);
  const three = { ...DESIRED, hosts: [...cluster, ...DESIRED.hosts.slice(1)] };
  assert.equal(plan(withServers(server("lab-n2", "nats"), server("lab-n3", "nats"), q), "up", three).refusals, []);
});

test("a server with data that is broken is refused, and nothing is done", () => {
  const { actions, refusals } = plan(withServers(server("lab-n1", "nats", { state: "broken" })));
  assert.equal(actions, []);
  assert.match(refusals.join(), /the server lab-n1 \(s-lab-n1\) has run and does not any more/);
});

test("a resource of another owner with a name of the site is refused by its kind, name and id", () => {
  const foreign = { id: "x", isOurs: false };
  const cases: [Partial<ObservedSite>, string][] = [
    [{ groups: [{ ...foreign, name: "lab-nats", rules: [] }] }, "the security group lab-nats (x) exists"],
    [{ images: [{ ...foreign, name: "lab-host-1", isWhole: true, digest: "" }] }, "the image lab-host-1 (x) exists"],
    [{ ports: [{ ...port("lab-n1", "10.0.0.5", "lab-nats"), ...foreign }] }, "the port lab-n1 (x) exists"],
    [{ servers: [{ ...server("lab-n1", "nats"), ...foreign }] }, "the server lab-n1 (x) exists"],
  ];
  for (const [observed, expected] of cases) {
    const { actions, refusals } = plan({ ...EMPTY, ...observed });
    assert.equal(actions, []);
    assert.ok(refusals.join().includes(expected), refusals.join());
  }
  const others = { ...EMPTY, servers: [{ ...server("another", "nats"), ...foreign }] };
  assert.equal(plan(others).refusals, []);
});

test("two resources of the site with one name are refused", () => {
  const twice = withServers(...WHOLE.servers, server("lab-q1", "queue", { id: "s-2" }));
  assert.match(plan(twice).refusals.join(), /2 servers of this site have the name lab-q1: .* s-lab-q1, s-2/);
});

test("a version of an image has one content", () => {
  const images = WHOLE.images.map((image) => ({ ...image, digest: "other" }));
  assert.is(plan({ ...WHOLE, images }).refusals.length, 2);
});

test("`up` names the hosts that differ, and replaces none; `update` replaces the queue's host", () => {
  const changes: [Partial<ObservedServer>, string][] = [
    [{ image: "lab-host-0" }, "image lab-host-0, not lab-host-1"],
    [{ flavor: "large" }, "flavor large, not small"],
    [{ config: "c0" }, "another configuration"],
  ];
  for (const [change, reason] of changes) {
    const observed = withServers(server("lab-n1", "nats"), server("lab-q1", "queue", change));
    assert.equal(plan(observed), { actions: [], refusals: [], outdated: [{ name: "lab-q1", reasons: [reason] }] });
    assert.equal(planned(observed, "update"), ["stop-server lab-q1", "delete-server lab-q1", ...QUEUE]);
  }
});

test("a host with another address gets a new port; with a floating one the address is moved", () => {
  const ports = [WHOLE.ports[0], port("lab-q1", "10.0.0.9", "lab-queue")] as ObservedSite["ports"];
  const exchange = ["delete-port lab-q1", "create-port lab-q1"];
  assert.equal(plan({ ...WHOLE, ports }).outdated[0]?.reasons, ["address 10.0.0.9, not 10.0.0.6"]);
  const replaced = ["stop-server lab-q1", "delete-server lab-q1", ...exchange, ...QUEUE];
  assert.equal(planned({ ...WHOLE, ports }, "update"), replaced);
  const hosts = DESIRED.hosts.map((one) => ({ ...one, isFloating: true }));
  assert.equal(planned({ ...WHOLE, ports }, "up", { ...DESIRED, hosts }), [
    "attach-address lab-n1",
    "attach-address lab-q1",
  ]);
});

const EXCHANGE = [
  ...["stop-server lab-q1", "delete-server lab-q1"],
  ...["await-nats lab-n1", "backup lab-n1"],
  "delete-server lab-n1",
];
const RESTORE = [...BOOT, "restore lab-n1", ...QUEUE];

test("the one NATS host is saved while no queue runs, replaced, and restored before the queue is back", () => {
  const old = server("lab-n1", "nats", { image: "lab-host-0" });
  assert.equal(planned(withServers(old, server("lab-q1", "queue")), "update"), [...EXCHANGE, ...RESTORE]);
});

test("an exchange that was killed goes on: no data are lost, and none are restored over newer ones", () => {
  const old = server("lab-n1", "nats", { image: "lab-host-0" });
  const pendingRestore = { folder: "/b", replaces: "s-lab-n1" };
  const after = (...servers: ObservedServer[]) => ({ ...withServers(...servers), pendingRestore });
  // The queue is gone, and the backup may be older than the data.
  assert.equal(planned(after(old), "update"), [...EXCHANGE.slice(2), ...RESTORE]);
  // No service has run since the backup.
  assert.equal(planned(after({ ...old, state: "stopped" }), "update"), ["delete-server lab-n1", ...RESTORE]);
  for (const mode of ["up", "update"] as const) {
    assert.equal(planned(after(), mode), RESTORE);
    assert.equal(planned(after({ ...old, state: "deleting" }), mode), ["delete-server lab-n1", ...RESTORE]);
    const young = server("lab-n1", "nats", { id: "s-new", image: "lab-host-0" });
    // Restored first, even if it is outdated again: an empty server is not saved over the backup.
    assert.equal(planned(after(young), mode), ["await-nats lab-n1", "restore lab-n1", ...QUEUE]);
    const folder = plan(after(young), mode).actions.find((action) => action.kind === "restore");
    assert.is(folder?.kind === "restore" && folder.folder, "/b");
  }
});

test("a queue's host that site.yaml does not list is removed by `update`; a NATS host is refused", () => {
  const more = { ...withServers(...WHOLE.servers, server("lab-q2", "queue")) };
  const ports = [...WHOLE.ports, port("lab-q2", "10.0.0.7", "lab-queue")];
  assert.equal(planned({ ...more, ports }), []);
  assert.equal(planned({ ...more, ports }, "update"), [
    "stop-server lab-q2",
    "delete-server lab-q2",
    "delete-port lab-q2",
  ]);
  const nats = withServers(...WHOLE.servers, server("lab-n0", "nats"));
  assert.match(plan(nats).refusals.join(), /does not list the NATS host lab-n0/);
});

test("an image of a former version is deleted when no builder uses it and no host is outdated", () => {
  const old = { ...ours, id: "i-old", name: "lab-builder-0", digest: "b0", isWhole: true };
  const observed = { ...WHOLE, images: [...WHOLE.images, old] };
  assert.equal(planned(observed), ["delete-image lab-builder-0"]);
  const builders = [{ id: "b", name: "cb-1", imageId: "i-old" }];
  assert.equal(planned({ ...observed, builders }), []);
  const outdated = { ...observed, servers: withServers(server("lab-q1", "queue", { config: "c0" })).servers };
  assert.is(planned(outdated).includes("delete-image lab-builder-0"), false);
});

test("planDown() deletes what is of the site in an order that the cloud accepts, and nothing else", () => {
  const foreign = { id: "x", isOurs: false };
  const observed: ObservedSite = {
    ...WHOLE,
    groups: [...WHOLE.groups, { ...foreign, name: "default", rules: [] }],
    images: [...WHOLE.images, { ...foreign, name: "lab-host-1", isWhole: true, digest: "" }],
    ports: [...WHOLE.ports, { ...port("", "10.0.0.8", "default"), ...foreign }],
    servers: [...WHOLE.servers, { ...server("lab-n1", "nats"), ...foreign }],
    builders: [{ id: "b", name: "cb-1", imageId: "i" }],
  };
  assert.equal(text(planDown("lab", observed)), [
    ...["delete-server lab-q1", "delete-builders lab", "delete-server lab-n1"],
    ...["delete-port lab-n1", "delete-port lab-q1"],
    ...["delete-group lab-builders", "delete-group lab-nats", "delete-group lab-queue"],
    ...["delete-image lab-host-1", "delete-image lab-builder-1"],
  ]);
  assert.equal(planDown("lab", EMPTY), []);
});

test.run();

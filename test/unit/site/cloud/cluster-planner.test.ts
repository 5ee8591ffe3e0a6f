import { suite } from "uvu";
import * as assert from "uvu/assert";
import type {
  DesiredHost,
  DesiredSite,
  ObservedServer,
  ObservedSite,
} from "../../../../infra/site/cloud/plan/site-state.ts";
import { DESIRED, plan, planned, port, server, WHOLE, withServers } from "../../../support/site/planned-site.ts";

const test = suite("planner of a cluster");

const MEMBERS = ["lab-n1", "lab-n2", "lab-n3"];
const CLUSTER: DesiredSite = {
  ...DESIRED,
  hosts: [
    ...MEMBERS.map((name, at) => ({ ...(DESIRED.hosts[0] as DesiredHost), name, address: `10.0.1.${at + 1}` })),
    ...DESIRED.hosts.slice(1),
  ],
};
const inCluster = (...servers: ObservedServer[]): ObservedSite => ({
  ...withServers(...servers),
  ports: [...MEMBERS.map((name, at) => port(name, `10.0.1.${at + 1}`, "lab-nats")), ...WHOLE.ports.slice(1)],
});
const boot = (name: string) => [`create-server ${name}`, `await-server ${name}`, `await-nats ${name}`];
const exchange = (name: string) => [
  ...[`stop-server ${name}`, `delete-server ${name}`],
  ...[...boot(name), `await-data ${name}`],
];

test("the hosts of a cluster are replaced one after the other, each when the others have all data", () => {
  const old = MEMBERS.map((name) => server(name, "nats", { config: "c0" }));
  const observed = inCluster(...old, server("lab-q1", "queue"));
  assert.equal(planned(observed, "update", CLUSTER), [
    ...["await-data lab-n2", "await-data lab-n3"],
    ...MEMBERS.flatMap(exchange),
  ]);
  assert.is(plan(observed, "up", CLUSTER).outdated.length, 3);
  const newest = MEMBERS.map((name, at) => server(name, "nats", at === 1 ? { image: "lab-host-0" } : {}));
  assert.equal(planned(inCluster(...newest, server("lab-q1", "queue")), "update", CLUSTER), [
    ...["await-data lab-n1", "await-data lab-n3"],
    ...exchange("lab-n2"),
  ]);
});

test("a replacement in a cluster that was killed goes on: the missing host gets its data before the next one is replaced", () => {
  const q = server("lab-q1", "queue");
  const old = server("lab-n3", "nats", { config: "c0" });
  const killed = inCluster(server("lab-n1", "nats"), old, q);
  assert.equal(planned(killed, "update", CLUSTER), [
    ...[
      ...boot("lab-n2").slice(0, 2),
      "await-nats lab-n1",
      "await-data lab-n1",
      "await-nats lab-n2",
      "await-data lab-n2",
    ],
    ...["await-nats lab-n3", "await-data lab-n3"],
    ...["await-data lab-n1", "await-data lab-n2"],
    ...exchange("lab-n3"),
  ]);
  const booting = inCluster(server("lab-n1", "nats"), server("lab-n2", "nats", { state: "starting" }), old, q);
  assert.ok(planned(booting, "up", CLUSTER).includes("await-data lab-n2"));
});

test("a cluster that has lost two of its three hosts beside a queue is refused", () => {
  const { actions, refusals } = plan(inCluster(server("lab-n2", "nats"), server("lab-q1", "queue")), "update", CLUSTER);
  assert.equal(actions, []);
  assert.match(refusals.join(), /lab-n1 and lab-n3 of 3 NATS hosts are not there/);
  assert.equal(plan(inCluster(server("lab-n2", "nats")), "up", CLUSTER).refusals, []);
});

test.run();

/** `cb-admin site up`, `status` and `down` on a real OpenStack, from an empty project, beside the resources of others. */
// alone: all files share one testbed, and its faults
// timeout: 900 s
import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SITE, SiteInCloud } from "../support/openstack/site-in-cloud.ts";
import { untilCloud } from "../support/openstack/until-cloud.ts";

const test = suite("a site on OpenStack");

let site: SiteInCloud;
/** The server of another owner. */
let other: string;
/** The resources of others. */
let others: string[];

test.before(async () => {
  site = await SiteInCloud.make();
  const { demo } = site;
  other = await demo.createServer({ "container-builder-site": SITE });
  await demo.createSecurityGroup("other-nats");
  // Its port is there by then.
  await untilCloud("the other server is ACTIVE", async () =>
    (await demo.servers()).some(({ id, status }) => id === other && status === "ACTIVE"),
  );
  others = await demo.resources();
});
test.after(async () => {
  await site?.run("down", "--yes");
  const demo = site?.demo;
  await demo?.deleteServer(other);
  if (demo) await untilCloud("no server is left", async () => (await demo.servers()).length === 0);
  await site?.stop();
});

/** The resources of the site, as "KIND NAME". */
async function own(): Promise<string[]> {
  const all = await site.demo.resources();
  assert.equal(
    others.filter((one) => !all.includes(one)),
    [],
    "a resource of another owner is gone",
  );
  return all.filter((one) => !others.includes(one)).map((one) => one.split(" ").slice(0, 2).join(" "));
}

const WHOLE = [
  ...["images lab-builder-1", "images lab-host-1", "ports lab-n1", "ports lab-q1"],
  ...["security_groups lab-builders", "security_groups lab-nats", "security_groups lab-queue"],
  ...["servers lab-n1", "servers lab-q1"],
];

test("`up --plan` makes nothing, and names a host without an address", async () => {
  const unknown = await site.run("up", "--plan");
  assert.is(unknown.code, 78);
  assert.match(unknown.stderr, "the address of q1 is not known yet");
  assert.equal(await own(), []);
});

test("a security group of another owner with a name of the site is named, and nothing is made", async () => {
  const id = await site.demo.createSecurityGroup("lab-nats");
  const { code, stderr } = await site.run("up");
  assert.is(code, 78);
  assert.match(stderr, `the security group lab-nats (${id}) exists and is not of this site: rename or delete it`);
  await site.demo.deleteSecurityGroup(id);
  // The address that site.yaml leaves open was reserved before.
  assert.equal(await own(), ["ports lab-q1"]);
  const planned = await site.run("up", "--plan");
  assert.is(planned.code, 0, planned.stderr);
  assert.match(planned.stdout, "Opening the security group lab-nats, tcp 4222 from the group lab-builders\n");
  assert.match(planned.stdout, "Changing the security groups of the port lab-q1\n");
  assert.match(planned.stdout, "Creating the server lab-q1\n");
  assert.equal(await own(), ["ports lab-q1"]);
});

test("`up` makes the whole site, and NATS answers with the configuration of the config drive", async () => {
  const startedMs = performance.now();
  const { code, stdout, stderr } = await site.run("up");
  assert.is(code, 0, stderr);
  console.log(`up: ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n${stderr}`);
  assert.match(stderr, "Waiting for NATS on lab-n1: done");
  assert.is(stdout, "the site is as site.yaml describes it\n");
  assert.equal(await own(), WHOLE);
});

test("`up` again changes nothing", async () => {
  const before = await site.demo.resources();
  const { code, stdout } = await site.run("up", "--json");
  assert.is(code, 0);
  assert.equal(JSON.parse(stdout), { v: 1, actions: [], refusals: [], outdated: [] });
  assert.equal(await site.demo.resources(), before);
});

test("`status` shows each resource, and ends with 0 while NATS answers and nothing differs", async () => {
  const { code, stdout, stderr } = await site.run("status");
  assert.is(code, 0, stdout + stderr);
  assert.match(stdout, /server +lab-n1 +running +lab-host-1, t\.nano/);
  assert.match(stdout, /nats +lab-n1 +answers +10\.78\.0\.5/);
  site.answer(({ cloud }) => {
    cloud.hosts.image.version = "2";
  });
  const differing = await site.run("status");
  assert.is(differing.code, 75);
  assert.match(differing.stdout, "lab-n1: image lab-host-1, not lab-host-2");
  site.answer(({ cloud }) => {
    cloud.hosts.image.version = "1";
  });
});

test("`down` asks first; with --yes it deletes what is of the site, also its builders, and nothing of others", async () => {
  const parts = { installation: SITE, generation: "1", pool: "cloud", builder: randomUUID(), attempt: randomUUID() };
  const pairs = Object.entries(parts).map(([part, value]) => [`cb-${part}`, value] as const);
  const tags = pairs.map((pair) => pair.join("="));
  await site.demo.createServer(Object.fromEntries(pairs), tags);
  const asked = await site.run("down");
  assert.is(asked.code, 64);
  assert.match(asked.stderr, "needs a confirmation");
  const startedMs = performance.now();
  const { code, stderr } = await site.run("down", "--yes");
  assert.is(code, 0, stderr);
  console.log(`down: ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n${stderr}`);
  assert.match(stderr, "Deleting the builders of lab: 1 deleted");
  assert.equal(await own(), []);
  assert.is((await site.run("down")).stdout, "nothing to do\n");
});

test.run();

/** The calls that a site on a cloud needs, on a recorded cloud: what they send, and the refusals of each service. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../../lib/core/errors.ts";
import { Compute } from "../../../../../lib/provider/openstack/api/compute.ts";
import { Images } from "../../../../../lib/provider/openstack/api/images.ts";
import { NeutronCalls } from "../../../../../lib/provider/openstack/api/neutron.ts";
import { Ports } from "../../../../../lib/provider/openstack/api/ports.ts";
import { SecurityGroups } from "../../../../../lib/provider/openstack/api/security-groups.ts";
import { RefusedError } from "../../../../../lib/provider/provider.ts";
import { failureOf, never, sharedCloud } from "../../../../support/openstack/openstack-provider.ts";
import { RecordedCloud } from "../../../../support/openstack/recorded-cloud.ts";

const test = suite<{ cloud: RecordedCloud }>("the calls of a site");
test.before.each(async (context) => {
  context.cloud = await RecordedCloud.start();
});
test.after.each(({ cloud }) => cloud.stop());

const PROJECT = "497311c1-7b0b-4a8c-a3c7-558b8e4a767b";
const FILE = `PUT /glance/v2/images/${PROJECT}/file`;

const imagesOf = (cloud: RecordedCloud) => new Images(sharedCloud(cloud).session);
const neutronOf = (cloud: RecordedCloud) => new NeutronCalls(sharedCloud(cloud).session);
const last = ({ requests }: RecordedCloud) => requests.at(-1);

async function* content(parts: number) {
  for (let part = 0; part < parts; part++) yield new Uint8Array(1000);
}

test("an image is created with its tags and properties, and its content is streamed with its length", async ({
  cloud,
}) => {
  cloud.replyTo("POST /glance/v2/images", "glance/image-created");
  cloud.replyTo(FILE, "glance/image-uploaded");
  const images = imagesOf(cloud);
  const image = { name: "up", diskFormat: "raw", tags: ["mine"], properties: { hw_disk_bus: "virtio" } } as const;
  const id = await images.create(image, never());
  assert.is(id, PROJECT);
  assert.equal(last(cloud)?.body, {
    hw_disk_bus: "virtio",
    name: "up",
    disk_format: "raw",
    container_format: "bare",
    visibility: "private",
    tags: ["mine"],
  });
  await images.upload(id, { sizeBytes: 3000, open: () => content(3) }, never());
  assert.is(last(cloud)?.body, 3000);
  assert.is(last(cloud)?.headers["content-length"], "3000");
});

test("the content of an image is opened again when the token has expired", async ({ cloud }) => {
  cloud.replyTo(FILE, "glance/invalid-token", "glance/image-uploaded");
  let opened = 0;
  const open = () => {
    opened++;
    return content(2);
  };
  await imagesOf(cloud).upload(PROJECT, { sizeBytes: 2000, open }, never());
  assert.is(opened, 2);
  assert.is(last(cloud)?.body, 2000);
});

test("an upload fails when the file is shorter than announced", async ({ cloud }) => {
  cloud.replyTo(FILE, "glance/image-uploaded");
  const stream = { sizeBytes: 5000, open: () => content(1) };
  await failureOf(imagesOf(cloud).upload(PROJECT, stream, never()), CbError);
});

test("glance's refusals name the image, and a deletion of one that is gone resolves", async ({ cloud }) => {
  cloud.replyTo("POST /glance/v2/images", "glance/image-bad-format");
  const image = { name: "up", diskFormat: "raw", tags: [], properties: {} } as const;
  const bad = await failureOf(imagesOf(cloud).create(image, never()), RefusedError);
  assert.is(bad.kind, "config");
  assert.match(bad.message, "the cloud does not accept the image up: Provided object does not match schema");
  cloud.replyTo(FILE, "glance/image-uploaded-again");
  const again = imagesOf(cloud).upload(PROJECT, { sizeBytes: 1000, open: () => content(1) }, never());
  assert.match((await failureOf(again, RefusedError)).message, "409, Image status transition from active");
  await imagesOf(cloud).delete(PROJECT, never());
});

test("a security group is created with its mark, and a rule that exists already is no error", async ({ cloud }) => {
  cloud.replyTo("POST /neutron/v2.0/security-groups", "neutron/security-group-created");
  const groups = new SecurityGroups(neutronOf(cloud));
  const id = await groups.create("sg1", "lab", never());
  assert.equal(last(cloud)?.body, { security_group: { name: "sg1", description: "lab" } });
  for (const reply of ["neutron/security-group-rule-created", "neutron/security-group-rule-exists"]) {
    cloud.replyTo("POST /neutron/v2.0/security-group-rules", reply);
    await groups.addRule(id, { port: 22, family: 4, from: { prefix: "10.0.0.0/8" } }, never());
  }
  assert.equal(last(cloud)?.body, {
    security_group_rule: {
      security_group_id: id,
      direction: "ingress",
      protocol: "tcp",
      ethertype: "IPv4",
      port_range_min: 22,
      port_range_max: 22,
      remote_ip_prefix: "10.0.0.0/8",
    },
  });
});

test("a list of neutron is that of the login's project, and a field that is missing is an error", async ({ cloud }) => {
  const ports = new Ports(neutronOf(cloud));
  cloud.replyTo("GET /neutron/v2.0/ports", { status: 200, body: { ports: [] } });
  assert.equal(await ports.list(never()), []);
  assert.is(last(cloud)?.query.get("project_id"), await sharedCloud(cloud).session.projectId(never()));
  cloud.replyTo("GET /neutron/v2.0/ports", { status: 200, body: { ports: [{ id: "1" }] } });
  assert.match((await failureOf(ports.list(never()), CbError)).message, /not a list of ports: ports\.0\.network_id/);
});

test("a server is stopped, also one that is stopped already", async ({ cloud }) => {
  const compute = new Compute(sharedCloud(cloud).session);
  for (const reply of ["nova/server/stopped", "nova/server/stopped-again"]) {
    cloud.replyTo("POST /nova/v2.1/servers/1/action", reply);
    await compute.stop("1", never());
  }
  assert.equal(last(cloud)?.body, { "os-stop": null });
});

test("serversNamed() asks nova for a prefix, which nova treats as a regular expression", async ({ cloud }) => {
  await new Compute(sharedCloud(cloud).session).serversNamed("lab.1-", never());
  assert.is(last(cloud)?.query.get("name"), "^lab\\.1-");
});

test.run();

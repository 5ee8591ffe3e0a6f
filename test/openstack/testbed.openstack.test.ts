/** The testbed as the other tests require it: it creates, deletes and fails machines, and stops and starts services. */
// alone: all files share one testbed, and its faults
// timeout: 600 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ListedServer, OpenStackApi } from "../support/openstack/openstack-api.ts";
import { untilCloud } from "../support/openstack/until-cloud.ts";
import { Box } from "./testbed/box.ts";

const test = suite("testbed");

let box: Box;
let demo: OpenStackApi;

test.before(async () => {
  box = Box.ofTests();
  demo = await OpenStackApi.login("demo");
});
test.after(async () => {
  await box?.service("resume", "nova-api");
  await box?.service("start", "nova-api");
  await box?.setFaults([]);
});

async function server(id: string): Promise<ListedServer | undefined> {
  return (await demo.servers()).find((listed) => listed.id === id);
}

function reaches(id: string, status: string): Promise<ListedServer> {
  const inStatus = async () => {
    const found = await server(id);
    return found?.status === status && found;
  };
  return untilCloud(`${id} is ${status}`, inStatus);
}

async function deleteAndWait(id: string): Promise<void> {
  await demo.deleteServer(id);
  await untilCloud(`${id} is deleted`, async () => (await server(id)) === undefined);
}

test("a machine is created with its metadata and tags, and deleted with its port", async () => {
  const before = await demo.listings();
  const startedMs = performance.now();
  const id = await demo.createServer({ note: "mine" }, ["mine"]);
  const { metadata, tags } = await reaches(id, "ACTIVE");
  console.log(`POST to ACTIVE: ${Math.round(performance.now() - startedMs)} ms`);
  assert.equal([metadata, tags], [{ note: "mine" }, ["mine"]]);
  assert.is((await demo.listings()).ports.length, before.ports.length + 1);
  await deleteAndWait(id);
  await untilCloud("its port is deleted", async () => (await demo.listings()).ports.length === before.ports.length);
  assert.equal(await demo.listings(), before);
});

test("setFaults() makes a machine with a matching name fail, until the rule is removed", async () => {
  await box.setFaults([{ name: "^other-", spawnFail: "no disk left on host", abort: true }]);
  const failed = await demo.createServer({});
  await reaches(failed, "ERROR");
  await box.setFaults([]);
  const good = await demo.createServer({});
  await reaches(good, "ACTIVE");
  await deleteAndWait(failed);
  await deleteAndWait(good);
});

test("service() pauses and resumes nova-api, and kills and starts it", async () => {
  await box.service("pause", "nova-api");
  const reply = demo.servers();
  await box.service("resume", "nova-api");
  assert.equal(await reply, [], "after the resume it replies to the call");
  await box.service("kill", "nova-api");
  const refused = await demo.servers().catch((error: Error) => error.name);
  assert.is(refused, "TypeError", "fetch cannot connect");
  await box.service("start", "nova-api");
  await untilCloud("nova-api replies", () => demo.servers().catch(() => undefined));
});

test.run();

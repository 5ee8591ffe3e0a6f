/** The testbed does what the other tests rely on: machines come, fail and go, and services can be taken away and given back. */
// alone: the testbed's faults are everybody's
// timeout: 600 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { OpenStackApi, type ServerSeen } from "../support/openstack/openstack-api.ts";
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

async function server(id: string): Promise<ServerSeen | undefined> {
  return (await demo.servers()).find((seen) => seen.id === id);
}

function reaches(id: string, status: string): Promise<ServerSeen> {
  const seen = async () => {
    const found = await server(id);
    return found?.status === status && found;
  };
  return untilCloud(`${id} is ${status}`, seen);
}

async function goes(id: string): Promise<void> {
  await demo.deleteServer(id);
  await untilCloud(`${id} is gone`, async () => (await server(id)) === undefined);
}

test("a machine comes up with its metadata and tags, and goes with its port", async () => {
  const before = await demo.listings();
  const startedMs = performance.now();
  const id = await demo.createServer({ note: "mine" }, ["mine"]);
  const { metadata, tags } = await reaches(id, "ACTIVE");
  console.log(`POST to ACTIVE: ${Math.round(performance.now() - startedMs)} ms`);
  assert.equal([metadata, tags], [{ note: "mine" }, ["mine"]]);
  assert.is((await demo.listings()).ports.length, before.ports.length + 1);
  await goes(id);
  await untilCloud("its port is gone", async () => (await demo.listings()).ports.length === before.ports.length);
  assert.equal(await demo.listings(), before);
});

test("setFaults() makes a machine fail by its name, and no longer when it is taken back", async () => {
  await box.setFaults([{ name: "^other-", spawnFail: "no disk left on host", abort: true }]);
  const failed = await demo.createServer({});
  await reaches(failed, "ERROR");
  await box.setFaults([]);
  const good = await demo.createServer({});
  await reaches(good, "ACTIVE");
  await goes(failed);
  await goes(good);
});

test("service() takes nova-api away and gives it back, killed or paused", async () => {
  await box.service("pause", "nova-api");
  const asked = demo.servers();
  await box.service("resume", "nova-api");
  assert.equal(await asked, [], "it answers late what it was asked while it was paused");
  await box.service("kill", "nova-api");
  const refused = await demo.servers().catch((error: Error) => error.name);
  assert.is(refused, "TypeError", "fetch cannot connect");
  await box.service("start", "nova-api");
  await untilCloud("nova-api is back", () => demo.servers().catch(() => undefined));
});

test.run();

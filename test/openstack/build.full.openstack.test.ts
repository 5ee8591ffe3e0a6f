/** A build on OpenStack with real machines: the builder image from glance, an agent that reads its config drive, an image that runs. */
// testbed: libvirt
// alone: an emulated machine takes both cores, and all files share one testbed
// timeout: 2400 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "../../infra/tools/setup/run-command.ts";
import { runImageInSandbox } from "../../lib/provider/sandbox/run.ts";
import { CloudSite } from "../support/openstack/cloud-site.ts";
import { type Listings, OpenStackApi } from "../support/openstack/openstack-api.ts";
import { untilCloud } from "../support/openstack/until-cloud.ts";
import { HELLO } from "../support/recipe/recipes.ts";
import { testRootfs } from "../support/rootfs.ts";
import { PROJECT, type Running } from "../support/stack.ts";

const test = suite("a build on OpenStack");

const IMAGE = "container-builder";
const FLAVOR = "builder.2c2g";
/** For an emulated machine, on cores that also run other work. */
const BOOT_LIMIT_S = 900;

let demo: OpenStackApi;
let before: Listings;
let site: CloudSite;
let queue: Running;

test.before(async () => {
  demo = await OpenStackApi.login("demo");
  before = await demo.listings();
  // Two machines exist at a time during a replacement, and the testbed's disk is memory, so the flavor is small.
  const admin = await OpenStackApi.login("admin");
  await admin.createFlavor(FLAVOR, { vcpus: 2, ram: 2048, disk: 2 });
  const pool = { flavor: FLAVOR, image: IMAGE, reserve: 1, max: 2, bootTimeoutSeconds: BOOT_LIMIT_S };
  site = await CloudSite.start(demo, pool);
});
test.after(async () => {
  queue?.kill("SIGTERM");
  await queue?.finished;
  await site?.stop();
});

const seconds = (sinceMs: number): string => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;

/** The ids of the pool's existing servers. */
async function poolServers(): Promise<string[]> {
  return (await demo.servers()).map(({ id }) => id).filter((id) => !before.servers.includes(id));
}

/** Resolves when `count` agents have become ready since the start of the queue. */
async function readyAgents(count: number): Promise<void> {
  const ready = new RegExp(`(?:"state":"ready"[^]*){${count}}|a builder failed`);
  const log = await queue.seen(ready);
  const failed = log.split("\n").filter((line) => line.includes("a builder failed"));
  assert.equal(failed, []);
}

interface Step {
  readonly builder?: string;
  readonly state?: string;
  /** ISO 8601. */
  readonly time: string;
}

/** The time from each builder's create to each of its states, from the queue's log. */
function stepsIn(log: string): string[] {
  const steps = log.split("\n").flatMap((line) => (line.includes('"msg":"builder"') ? [JSON.parse(line) as Step] : []));
  const from = new Map<string, number>();
  return steps.map(({ builder = "", state, time }) => {
    const atMs = Date.parse(time);
    const startedMs = from.get(builder) ?? atMs;
    from.set(builder, startedMs);
    return `${builder.slice(0, 8)} ${state}: ${((atMs - startedMs) / 1000).toFixed(1)} s`;
  });
}

test("`npm run disk` creates an image that glance accepts", async () => {
  const file = site.stack.path("builder.qcow2");
  const disk = [process.execPath, "infra/tools/start.mjs", "infra/image/disk/main.ts", file] as const;
  const { code, output } = await runCommand(disk, { cwd: PROJECT });
  assert.is(code, 0, output);
  await demo.uploadImage(IMAGE, file, { hw_disk_bus: "virtio", hw_vif_model: "virtio" });
});

test("the agent on a machine with that image reads the config drive and becomes ready", async () => {
  queue = site.startQueue();
  await queue.seen(/"state":"requested"/);
  const startedMs = performance.now();
  await untilCloud("the server is ACTIVE", async () =>
    (await demo.servers()).some(({ status }) => status === "ACTIVE"),
  );
  console.log(`POST to ACTIVE: ${seconds(startedMs)}`);
  await readyAgents(1);
  console.log(`POST to the first heartbeat: ${seconds(startedMs)}`);
  const { stdout } = await site.stack.run("cb-admin", ["builders", "--console", "60"]);
  assert.match(stdout, /read the config drive on \/dev\/sr0/);
  assert.match(stdout, /the network is set up: \S+ 10\.77\.\d+\.\d+\/16/);
  console.log(stdout);
});

test("container-builder builds an image that runs; the pool destroys the server and refills the reserve", async () => {
  const [used] = await poolServers();
  const image = site.stack.path("hello.sif");
  const startedMs = performance.now();
  const built = await site.stack.run("container-builder", [image, HELLO]);
  assert.is(built.code, 0, built.stdout + built.stderr);
  console.log(`the build: ${seconds(startedMs)}`);
  const run = await runImageInSandbox(image, { rootfs: await testRootfs(), stdio: "pipe" });
  assert.is(run.code, 0, run.stderr);
  await untilCloud("the server of the build is deleted", async () => !(await poolServers()).includes(used ?? ""));
  await readyAgents(2);
  console.log(`the reserve is full again: ${seconds(startedMs)}`);
  assert.is((await poolServers()).length, 1);
});

test("after the queue has stopped and its servers are deleted, nothing is left in the project", async () => {
  queue.kill("SIGTERM");
  const { code, stderr } = await queue.finished;
  assert.is(code, 0, stderr);
  for (const line of stepsIn(stderr)) console.log(line);
  for (const id of await poolServers()) await demo.deleteServer(id);
  await untilCloud("all servers are deleted", async () => (await poolServers()).length === 0);
  assert.equal(await demo.listings(), before);
});

test.run();

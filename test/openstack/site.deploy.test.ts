/**
 * A site from an empty project of OpenStack to its removal, by .gitlab-ci.yml, with real machines: hosts from the host image, builders
 * from the builder image, clients from their package under both module systems.
 */
// testbed: libvirt
// alone: the emulated machines take both cores
// timeout: 5400 s
import { copyFileSync, existsSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VERSION } from "../../lib/core/version.ts";
import { writeSecretFile } from "../../lib/nats/credentials/secret-file.ts";
import { runImageInSandbox } from "../../lib/provider/sandbox/run.ts";
import { LOGIN_NODES, treeOf } from "../support/ci/prepare-deployment.ts";
import { Deployment, PIPELINE_ID, SITE } from "../support/openstack/deployment.ts";
import { untilCloud } from "../support/openstack/until-cloud.ts";
import { inTree } from "../support/package/trees.ts";
import { endWriting, HELLO, writing, writtenIn } from "../support/recipe/recipes.ts";
import { testRootfs } from "../support/rootfs.ts";
import { until } from "../support/until.ts";

const test = suite("a deployed site");

const NEXT = "9.9.9";
/** For an emulated host and then an emulated builder, on cores that also run other work. */
const BOOT_LIMIT_MS = 1_200_000;
let deployment: Deployment;
/** The resources of others. */
let others: string[];

test.before(async () => {
  deployment = await Deployment.make();
  const { demo } = deployment;
  const other = await demo.createServer({ "container-builder-site": SITE });
  await demo.createSecurityGroup(`other-${SITE}`);
  // Its port is there by then.
  await untilCloud("the other server is ACTIVE", async () =>
    (await demo.servers()).some(({ id, status }) => id === other && status === "ACTIVE"),
  );
  others = await demo.resources();
});
test.after(async () => {
  await deployment?.site("down", "--yes");
  await deployment?.stop();
});

/** The images and hosts of the site, as "KIND NAME". */
async function own(): Promise<string[]> {
  const all = await deployment.demo.resources();
  assert.equal(
    others.filter((one) => !all.includes(one)),
    [],
    "a resource of another owner is gone",
  );
  const names = all.map((one) => one.split(" ").slice(0, 2).join(" "));
  return names.filter((name) => name.startsWith(`images ${SITE}-`) || name.startsWith(`servers ${SITE}-`));
}

/** As own(), after the only pipeline of that version. */
const whole = (version: string): string[] => [
  ...[`images ${SITE}-builder-${version}-${PIPELINE_ID}`, `images ${SITE}-host-${version}-${PIPELINE_ID}`],
  ...[`servers ${SITE}-n1`, `servers ${SITE}-q1`],
];

const serverId = async (name: string) => (await deployment.demo.servers()).find((server) => server.name === name)?.id;
const seconds = (sinceMs: number): string => `${((performance.now() - sinceMs) / 1000).toFixed(0)} s`;

async function release(version: string): Promise<void> {
  const startedMs = performance.now();
  const { code, output } = await deployment.release(version);
  assert.is(code, 0, output);
  console.log(`${output}\nthe pipeline of ${version}: ${seconds(startedMs)}`);
}

/** Resolves when cb-queue answers the operator with at least one builder that is ready. */
async function untilReady(): Promise<void> {
  const startedMs = performance.now();
  const isReady = async () => /"state": ?"ready"/.test(await deployment.admin("--json", "builders").catch(() => ""));
  await until("cb-queue has a builder that is ready", isReady, BOOT_LIMIT_MS);
  console.log(`the queue and its first builder: ${seconds(startedMs)}`);
}

/** The environment of a user who has loaded the module, for programs of any version. */
const user = () => ({
  XDG_CONFIG_DIRS: join(deployment.clients, "current/etc"),
  NATS_CREDS: deployment.stack.path("alice.creds"),
});

/** The states of the user's builds, the newest first. */
async function builds(): Promise<string[]> {
  const { code, stdout, stderr } = await deployment.stack.run("cb-builds", ["--json"], { env: user() });
  assert.is(code, 0, stderr);
  return (JSON.parse(stdout) as { builds: { state: string }[] }).builds.map(({ state }) => state);
}

test("a tag brings an empty project to hosts that answer, and installs the client", async () => {
  await release(VERSION);
  assert.equal(await own(), whole(VERSION));
  assert.is(readlinkSync(join(deployment.clients, "current")), `container-builder-${VERSION}`);
  const status = await deployment.site("status");
  assert.is(status.code, 0, status.stdout + status.stderr);
  const checked = await deployment.site("check", "--connect");
  assert.is(checked.code, 0, checked.stdout + checked.stderr);
});

test("cb-queue on its host has a builder that is ready, and adds a user for the operator", async () => {
  await untilReady();
  await writeSecretFile(deployment.stack.path("alice.creds"), await deployment.admin("user", "add", "alice"));
  assert.equal(await builds(), []);
});

for (const node of LOGIN_NODES) {
  test(`a user of ${node.system} loads the module and builds an image that runs`, async () => {
    const startedMs = performance.now();
    const image = deployment.stack.path(`${node.system}.sif`);
    const commands = [
      `. ${node.init}; module use /opt/container-builder/current/modulefiles; module load container-builder`,
      `export NATS_CREDS=/work/alice.creds; container-builder /work/${node.system}.sif /work/hello.def 2>&1`,
    ];
    copyFileSync(HELLO, deployment.stack.path("hello.def"));
    const { clients, stack } = deployment;
    const output = await inTree(await treeOf(node), clients, commands.join("\n"), stack.folder);
    // One string: console.log() would format the output's "%d".
    console.log(`${output}${seconds(startedMs)}`);
    const ran = await runImageInSandbox(image, { rootfs: await testRootfs(), stdio: "pipe" });
    assert.is(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, "Hello from a container!");
  });
}

test("a second tag is rolled out beside a running build, which ends well", async () => {
  await untilReady();
  const program = join(deployment.clients, `container-builder-${VERSION}`, "bin/container-builder");
  const image = deployment.stack.path("long.sif");
  const { stack } = deployment;
  const build = stack.startOnTerminal(program, [image, writing(stack, "long", 1)], user());
  await build.seen(/line 1\r*\n/);
  const nats = await serverId(`${SITE}-n1`);

  deployment.setVersion(NEXT);
  await release(NEXT);
  assert.is.not(await serverId(`${SITE}-n1`), nats);
  assert.is(readlinkSync(join(deployment.clients, "current")), `container-builder-${NEXT}`);
  const ended = await endWriting(build);
  assert.is(ended.code, 0, ended.stdout);
  assert.ok(existsSync(image));
  // It has written all the time, also while NATS was exchanged, and did not begin anew.
  const numbers = writtenIn(ended.stdout);
  assert.equal(
    numbers,
    numbers.map((_, at) => at + 1),
  );
  await untilReady();
  assert.equal(await builds(), ["succeeded", "succeeded", "succeeded"]);
});

test("a host of NATS that is lost is refused, and a backup brings its builds back", async () => {
  const backup = deployment.stack.path("backup");
  console.log(await deployment.admin("backup", backup));
  const lost = await serverId(`${SITE}-n1`);
  await deployment.demo.deleteServer(lost ?? "");
  await untilCloud("the host is gone", async () => (await serverId(`${SITE}-n1`)) === undefined);
  const refused = await deployment.site("up");
  assert.is(refused.code, 78);
  assert.match(refused.stderr, `the NATS host ${SITE}-n1 is gone`);
  const startedMs = performance.now();
  const { code, stderr } = await deployment.site("up", "--restore", backup);
  assert.is(code, 0, stderr);
  console.log(`${stderr}\nthe restore: ${seconds(startedMs)}`);
  await untilReady();
  assert.equal(await builds(), ["succeeded", "succeeded", "succeeded"]);
});

test("`down` leaves nothing of the site, and everything of others", async () => {
  const startedMs = performance.now();
  const { code, stderr } = await deployment.site("down", "--yes");
  assert.is(code, 0, stderr);
  console.log(`${stderr}\ndown: ${seconds(startedMs)}`);
  assert.equal(await deployment.demo.resources(), others);
});

test.run();

/** `cb-admin site up` and `update` on a real OpenStack, killed at their actions, with data in NATS. */
// alone: all files share one testbed, and its faults
// timeout: 1800 s
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SiteInCloud } from "../support/openstack/site-in-cloud.ts";
import { untilCloud } from "../support/openstack/until-cloud.ts";

const test = suite("updates of a site on OpenStack");

let site: SiteInCloud;
let others: string[];

test.before(async () => {
  site = await SiteInCloud.make();
  others = await site.demo.resources();
});
test.after(async () => {
  await site?.run("down", "--yes");
  await site?.stop();
});

async function own(): Promise<string[]> {
  const all = await site.demo.resources();
  return all.filter((one) => !others.includes(one)).map((one) => one.split(" ").slice(0, 2).join(" "));
}

/**
 * Starts the command again and again; each run is killed when it has printed the next of the lines. A run may do one action more before
 * the signal arrives, so a line may not come again. Resolves with the number of killed runs when the last run has ended by itself.
 */
async function killedAfter(verb: string, lines: readonly string[]): Promise<number> {
  let kills = 0;
  for (const line of lines) {
    const running = site.start(verb);
    await running.seen(new RegExp(line)).catch(() => undefined);
    running.kill("SIGKILL");
    if ((await running.finished).signal === "SIGKILL") kills++;
  }
  const { code, stderr } = await site.run(verb);
  assert.is(code, 0, stderr);
  return kills;
}

const serverId = async (name: string) => (await site.demo.servers()).find((server) => server.name === name)?.id;

test("`up` that is killed after any of its actions completes the site when it runs again, each resource once", async () => {
  const kills = await killedAfter("up", [
    "The address of q1 is 10",
    "Creating the security group lab-builders: done",
    "Creating the security group lab-queue: done",
    "Opening the security group lab-nats, .*: done",
    "Creating the port lab-n1: done",
    "Changing the security groups of the port lab-q1: done",
    "Uploading the image lab-host-1: ",
    "Creating the server lab-n1: done",
    "Creating the server lab-q1: done",
    "Waiting for NATS on lab-n1: done",
    "Waiting for the server lab-q1: running",
  ]);
  assert.ok(kills >= 5, `${kills} runs were killed`);
  assert.equal(await own(), [
    ...["images lab-builder-1", "images lab-host-1", "ports lab-n1", "ports lab-q1"],
    ...["security_groups lab-builders", "security_groups lab-nats", "security_groups lab-queue"],
    ...["servers lab-n1", "servers lab-q1"],
  ]);
  assert.is((await site.run("status")).code, 0);
});

test("a new builder image replaces the queue's host, keeps NATS, and deletes the former image", async () => {
  site.answer(({ cloud }) => {
    cloud.builders.image.version = "2";
  });
  const [nats, queue] = [await serverId("lab-n1"), await serverId("lab-q1")];
  const up = await site.run("up");
  assert.match(up.stdout, /not as site\.yaml describes it .*\n {2}lab-q1: another configuration/);
  assert.is((await own()).includes("images lab-builder-1"), true, "the running queue names it");
  const { code, stderr } = await site.run("update");
  assert.is(code, 0, stderr);
  assert.is(await serverId("lab-n1"), nats);
  assert.is.not(await serverId("lab-q1"), queue);
  assert.equal(
    (await own()).filter((one) => one.startsWith("images")),
    ["images lab-builder-2", "images lab-host-1"],
  );
});

test("a new host image replaces NATS, also after kills, and its streams are there afterwards", async () => {
  await site.addStream("kept", ["one", "two"]);
  site.answer(({ cloud }) => {
    cloud.hosts.image.version = "2";
  });
  const nats = await serverId("lab-n1");
  const kills = await killedAfter("update", [
    "Deleting the server lab-q1: deleted",
    "Saving the data of lab-n1: done",
    // A run that was killed may have done one action more.
    "(?:Stopping|Deleting) the server lab-n1: ",
    "(?:Deleting|Creating) the server lab-n1: ",
    "Waiting for (?:the server|NATS on) lab-n1: ",
    "Restoring the data of lab-n1: done|Creating the server lab-q1: done",
  ]);
  assert.ok(kills >= 3, `${kills} runs were killed`);
  assert.is.not(await serverId("lab-n1"), nats);
  assert.equal(await site.messagesOf("kept"), ["one", "two"]);
  assert.is((await site.run("status")).code, 0);
});

test("a backup for a host that was not replaced after all is forgotten by `up`, because the queue writes again", async () => {
  const pending = `${site.folder}/pending-restore.json`;
  writeFileSync(pending, JSON.stringify({ folder: "/none", replaces: await serverId("lab-n1") }));
  const { code, stderr } = await site.run("up");
  assert.is(code, 0, stderr);
  assert.not.ok(existsSync(pending));
});

test("a NATS host that is lost beside the queue's host is refused, and a backup brings its streams back", async () => {
  await site.demo.deleteServer((await serverId("lab-n1")) ?? "");
  await untilCloud("the host is gone", async () => (await serverId("lab-n1")) === undefined);
  const refused = await site.run("up");
  assert.is(refused.code, 78);
  assert.match(refused.stderr, "the NATS host lab-n1 is gone, and all builds with it");
  const [backup = ""] = readdirSync(`${site.folder}/backups`).sort().reverse();
  const { code, stderr } = await site.run("up", "--restore", `${site.folder}/backups/${backup}`);
  assert.is(code, 0, stderr);
  assert.equal(await site.messagesOf("kept"), ["one", "two"]);
  assert.is((await site.run("status")).code, 0);
  const again = await site.run("up", "--restore", `${site.folder}/backups/${backup}`);
  assert.is(again.code, 64);
  assert.match(again.stderr, /the server lab-n1 .* is there: a backup is restored into a new one/);
});

test("`down` leaves nothing of the site", async () => {
  assert.is((await site.run("down", "--yes")).code, 0);
  assert.equal(await own(), []);
});

test.run();

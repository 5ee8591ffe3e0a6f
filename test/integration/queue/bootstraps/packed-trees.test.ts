/** A build with debootstrap makes the queue make a tree, and later builds of all users get it, with the right to read it alone. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fetchTree } from "../../../../agent/bootstrap/fetch-tree.ts";
import { connectNats, guestAccess } from "../../../../lib/nats/connection.ts";
import { openConsumerProxy } from "../../../../lib/nats/jetstream/consumer-proxy.ts";
import type { ReserveRequest } from "../../../../lib/protocol/build-messages.ts";
import type { BootstrapTree } from "../../../../lib/protocol/builder-messages.ts";
import { chunkSubject, metaSubject } from "../../../../lib/protocol/object-layout.ts";
import { bucket, buildBucketStream, GUEST_API_PREFIX } from "../../../../lib/protocol/subjects.ts";
import { BOOTSTRAP_USER, TREE_AGE_MAX_MS } from "../../../../lib/queue/bootstraps/decide.ts";
import { storeImage } from "../../../support/queue/lab-image.ts";
import { QueueLab } from "../../../support/queue/queue-lab.ts";
import { rejection } from "../../../support/rejection.ts";
import { DEFINITION, SQUASHFS, sifImage } from "../../../support/sif-image.ts";

interface World {
  lab: QueueLab;
  core: NatsConnection;
  folder: string;
}
const test = suite<World>("packed trees");

test.before(async (world) => {
  world.folder = mkdtempSync(join(tmpdir(), "cb-trees-"));
  world.lab = await QueueLab.start();
  world.core = await world.lab.nats.core();
  openConsumerProxy(world.core);
});
test.after(async ({ lab, folder }) => {
  await lab?.stop();
  rmSync(folder, { recursive: true });
});

const IMAGE = Buffer.concat([sifImage([DEFINITION, SQUASHFS]), Buffer.alloc(300_000, "tree")]);

const debian = (suite: string, over: Partial<ReserveRequest> = {}): Partial<ReserveRequest> => ({
  recipe: {
    backend: "singularity",
    text: `Bootstrap: debootstrap\nOSVersion: ${suite}\nMirrorURL: http://deb.debian.org/debian\n%post\n  id\n`,
  },
  ...over,
});

/** Leases a build, ends it, and returns the tree of its lease. */
async function treeOf(lab: QueueLab, user: string, request: Partial<ReserveRequest>) {
  const agent = await lab.leased(await lab.reserve(user, request), 1);
  const { lease } = agent;
  await agent.end({ kind: "failed", exitCode: 1, reason: "" });
  return lease?.bootstrap;
}

const jobs = (lab: QueueLab) => lab.queue.builds.all().filter(({ user }) => user === BOOTSTRAP_USER);
const jobOf = (lab: QueueLab, suite: string) =>
  lab.until(`a job for ${suite}`, () => jobs(lab).find(({ name, state }) => name.includes(suite) && state !== "ended"));

/** The tree that a build gets after the queue has made one. */
async function madeTree(lab: QueueLab, suite: string): Promise<BootstrapTree> {
  assert.is(await treeOf(lab, "ada", debian(suite)), undefined);
  const { build } = await jobOf(lab, suite);
  await storeImage(lab, build, IMAGE);
  const tree = await treeOf(lab, "eve", debian(suite));
  assert.is(tree?.build, build);
  return tree as BootstrapTree;
}

test("a build of another user gets the tree that the queue made, and its agent fetches it with the lease's credential", async ({
  lab,
  folder,
  core,
}) => {
  const tree = await madeTree(lab, "trixie");
  assert.equal(jobs(lab).length, 1);
  const agent = await lab.leased(await lab.reserve("eve", debian("trixie")), 1);
  assert.equal(agent.lease?.bootstrap, tree);
  const { installation, url } = lab.nats;
  const address = { url, servername: installation.serverName, ca: readFileSync(installation.files.caFile, "utf8") };
  const nc = await connectNats({ address, credential: { jwt: agent.lease?.jwt ?? "", key: agent.key }, name: "test" });
  const js = guestAccess(nc);
  const fetched = (name: string, over: Partial<BootstrapTree> = {}) => {
    const programs = join(folder, name);
    mkdirSync(programs);
    const { signal } = new AbortController();
    return fetchTree({ tree: { ...tree, ...over }, js, folder: programs, programs, emulates: false, signal });
  };

  assert.is(await fetched("whole"), undefined);
  assert.ok(readFileSync(join(folder, "whole", "bootstrap.sif")).equals(IMAGE));
  assert.match(readFileSync(join(folder, "whole", "debootstrap"), "utf8"), `-offset ${SQUASHFS[2]} `);

  const damaged = { digest: `SHA-256=${"a".repeat(43)}=` };
  assert.match((await fetched("damaged", damaged)) ?? "", "not the one that the queue names");
  assert.match((await fetched("short", { bytes: tree.bytes - 1 })) ?? "", "not the one that the queue names");
  for (const name of ["damaged", "short"]) {
    assert.throws(() => readFileSync(join(folder, name, "bootstrap.sif")), /ENOENT/);
    assert.throws(() => readFileSync(join(folder, name, "debootstrap")), /ENOENT/);
  }

  // Hostile: it writes into the bucket of the tree, and reads that of another build.
  const before = await (await core.jetstreamManager()).streams.info(buildBucketStream(tree.build));
  const target = bucket(tree.build);
  for (const subject of [chunkSubject(target, "A".repeat(22)), metaSubject(target, "image")]) {
    nc.publish(subject, "evil");
    await nc.flush();
  }
  for (const call of ["PURGE", "DELETE", "UPDATE", "MSG.DELETE"])
    nc.publish(`${GUEST_API_PREFIX}.STREAM.${call}.${buildBucketStream(tree.build)}`, "{}");
  await nc.flush();
  const after = await (await core.jetstreamManager()).streams.info(buildBucketStream(tree.build));
  assert.equal(after.state, before.state);
  assert.equal(after.config, before.config);
  const foreign = await lab.reserve("ada");
  await storeImage(lab, foreign);
  const info = `${GUEST_API_PREFIX}.STREAM.INFO.${buildBucketStream(foreign)}`;
  assert.ok(await rejection(nc.request(info, "", { timeout: 500 })));
  await nc.close();
  await agent.end({ kind: "failed", exitCode: 1, reason: "" });
});

test("a lease has no tree with --no-cache, for other arguments, or on a builder with another image", async ({
  lab,
}) => {
  assert.ok(await treeOf(lab, "ada", debian("trixie")));
  assert.is(await treeOf(lab, "ada", debian("trixie", { noCache: true })), undefined);
  assert.is(await treeOf(lab, "ada", debian("noble")), undefined);
  await lab.fullReserve();
  assert.equal(jobs(lab).length, 1, "no job for a suite that the site does not list");
});

test("the job's recipe has nothing of the user's, and a job that failed is not repeated at once", async ({ lab }) => {
  assert.is(await treeOf(lab, "ada", debian("sid")), undefined);
  const { build } = await jobOf(lab, "sid");
  const agent = await lab.leased(build, 1);
  assert.is(
    agent.lease?.recipe.text,
    "Bootstrap: debootstrap\nOSVersion: sid\nMirrorURL: http://deb.debian.org/debian\n",
  );
  assert.is(agent.lease?.bootstrap, undefined);
  await agent.end({ kind: "failed", exitCode: 1, reason: "no such suite" });
  assert.is(await treeOf(lab, "ada", debian("sid")), undefined);
  await lab.fullReserve();
  await lab.pass(10_000);
  assert.equal(jobs(lab).filter(({ name }) => name.includes("sid")).length, 1);
});

test("the next process of the queue finds the tree, and gives it up when it is a day old", async ({ lab, core }) => {
  const tree = await treeOf(lab, "ada", debian("trixie"));
  await lab.queue.kill();
  await lab.startQueue();
  assert.equal(await treeOf(lab, "ada", debian("trixie")), tree);
  await lab.fullReserve();
  lab.clock.jump(TREE_AGE_MAX_MS);
  const manager = await core.jetstreamManager();
  await lab.until("the tree to be deleted", async () =>
    rejection(manager.streams.info(buildBucketStream(tree?.build ?? ""))),
  );
});

test.run();

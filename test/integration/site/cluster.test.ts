/** The files of three NATS hosts form one cluster. The hosts are three loopback addresses of this machine. */
// slow: an election among three servers takes seconds

import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseSite } from "../../../infra/site/answers/read-site.ts";
import { NatsData } from "../../../infra/site/cloud/nats-data.ts";
import { initSite } from "../../../infra/site/init.ts";
import { siteFolder } from "../../../infra/site/site-folder.ts";
import { connectNats } from "../../../lib/nats/connection.ts";
import { parseCreds } from "../../../lib/nats/credentials/creds.ts";
import { freePorts } from "../../support/free-ports.ts";
import { type HostProcess, runIn, startNats, startQueue, takeCloudPool } from "../../support/site/site-host.ts";
import { Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite("site cluster");

const stack = Stack.unstarted();
const root = stack.path("site");
const running: HostProcess[] = [];
const NAMES = ["n1", "n2", "n3"];
const host = (name: string) => ({
  etc: stack.path("site/hosts", name, "etc/container-builder"),
  varLib: stack.path("var-lib", name),
});

test.after(async () => {
  for (const process of running.reverse()) await process.end();
  await stack.stop();
});

/** A start and an election among three servers on a busy machine. */
const FORMED_MS = 120_000;

/** A connection with one of the site's own credentials. */
function connectAs(name: "sys" | "queue", url: string): Promise<NatsConnection> {
  const read = (path: string) => readFileSync(stack.path("site", path), "utf8");
  const credential = parseCreds(read(`installation/creds/${name}.creds`), name);
  const address = { url, servername: "nats.lab.internal", ca: read("client/etc/xdg/container-builder/ca.crt") };
  return connectNats({ address, credential, name: "test" });
}

/** Resolves when three servers answer, and JetStream has a leader and three members. */
async function formed(url: string): Promise<void> {
  const nc = await connectAs("sys", url);
  const isFormed = async () => {
    const reply = await nc.request("$SYS.REQ.SERVER.PING.JSZ", "", { timeout: 10_000 });
    const { data } = JSON.parse(Buffer.from(reply.data).toString());
    return data?.meta_cluster?.cluster_size === 3 && data.meta_cluster.leader !== undefined;
  };
  await until("three members and a leader", isFormed, FORMED_MS).finally(() => nc.close());
}

test("three hosts form a cluster of three, cb-queue keeps three replicas, and an operator reaches it", async () => {
  const nats = NAMES.map((name, at) => `${name}=127.0.0.${at + 1}`);
  await initSite(root, { name: "lab", nats, operator: ["ada"] }, Date.now());
  const [port = 0, routePort = 0] = await freePorts(2);
  const hosts = NAMES.map((name, at) => ({ name, address: `127.0.0.${at + 1}`, listen: `127.0.0.${at + 1}` }));
  takeCloudPool(root, { port, routePort, hosts });
  await initSite(root, {}, Date.now());
  running.push(...(await Promise.all(NAMES.map((name) => startNats(host(name), "sid")))));
  await formed(`tls://127.0.0.3:${port}`);
  running.push(await startQueue(host("n1")));
  const operator = { etc: stack.path("site/operator/ada"), varLib: stack.path("var-lib/operator") };
  await runIn(operator, "cb-admin", ["user", "add", "grace"]);
  const users = await runIn(operator, "cb-admin", ["user", "list"]);
  assert.match(users.stdout, /grace +active/);
});

test("while one of three hosts is down, an operator is served, and cb-queue needs no restart", async () => {
  await running[0]?.end("SIGKILL");
  const operator = { etc: stack.path("site/operator/ada"), varLib: stack.path("var-lib/operator") };
  await runIn(operator, "cb-admin", ["user", "add", "linus"]);
  const users = await runIn(operator, "cb-admin", ["user", "list"]);
  assert.match(users.stdout, /linus +active/);
});

const CHUNK = Buffer.alloc(512 * 1024, "x");
const CHUNKS = 128;

/** The bytes of a stream's messages on the disk of a host. */
function storedBytes(name: string, stream: string): number {
  const folder = join(host(name).varLib, "cb-nats");
  const blocks = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (path) => path.includes(`/${stream}/msgs/`) && path.endsWith(".blk"),
  );
  return blocks.reduce((sum, path) => sum + statSync(join(folder, path)).size, 0);
}

test("a host with an empty disk is waited for until it has all data; then another one may go", async () => {
  const site = parseSite(readFileSync(join(root, "site.yaml"), "utf8"), undefined);
  const [first] = site.nats.hosts;
  assert.ok(first);
  const nc = await connectAs("queue", `tls://127.0.0.3:${site.nats.port}`);
  try {
    const { streams } = await nc.jetstreamManager();
    await streams.add({ name: "filled", subjects: ["filled"], num_replicas: 3 });
    for (let count = 0; count < CHUNKS; count++) await nc.jetstream().publish("filled", CHUNK);

    rmSync(host("n1").varLib, { recursive: true });
    running[0] = await startNats(host("n1"), "sid");
    await new NatsData(site, siteFolder(root)).hasAllData(first, new AbortController().signal);
    assert.ok(storedBytes("n1", "filled") >= CHUNKS * CHUNK.length);
    await running[1]?.end("SIGKILL");
    const isServed = async () => (await streams.info("filled").catch(() => undefined))?.state.messages === CHUNKS;
    await until("the stream has a leader", isServed, FORMED_MS);
  } finally {
    await nc.close();
  }
  const operator = { etc: stack.path("site/operator/ada"), varLib: stack.path("var-lib/operator") };
  const users = await runIn(operator, "cb-admin", ["user", "list"]);
  assert.match(users.stdout, /linus +active/);
});

test.run();

/** The files of three NATS hosts form one cluster. The hosts are three loopback addresses of this machine. */
// slow: an election among three servers takes seconds

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { initSite } from "../../../infra/site/init.ts";
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

/** Resolves when three servers answer, and JetStream has a leader and three members. */
async function formed(url: string): Promise<void> {
  const read = (path: string) => readFileSync(stack.path("site", path), "utf8");
  const credential = parseCreds(read("installation/creds/sys.creds"), "sys");
  const address = { url, servername: "nats.lab.internal", ca: read("client/etc/xdg/container-builder/ca.crt") };
  const nc = await connectNats({ address, credential, name: "test" });
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

test.run();

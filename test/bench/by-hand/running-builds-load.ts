/** The agents and clients of running-builds.ts, in a process of their own: each has its own connections, as in a real installation. */
import { randomBytes, randomUUID } from "node:crypto";
import { once, setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type NatsConnection } from "nats";
import { openInstallation } from "../../../infra/nats/installation.ts";
import { authenticator } from "../../../lib/nats/credentials/authenticator.ts";
import { parseCreds } from "../../../lib/nats/credentials/creds.ts";
import { Issuer, readKeyFile } from "../../../lib/nats/credentials/issuer.ts";
import { createKey, type NKey } from "../../../lib/nats/credentials/nkey.ts";
import { parseJson } from "../../../lib/nats/jetstream/api.ts";
import { Publisher } from "../../../lib/nats/jetstream/publisher.ts";
import { StreamReader } from "../../../lib/nats/jetstream/reader.ts";
import { call } from "../../../lib/nats/rpc/client.ts";
import type { BuildState } from "../../../lib/protocol/build-messages.ts";
import { reserve } from "../../../lib/protocol/requests.ts";
import { bucket, buildStream, GUEST_API_PREFIX, inboxPrefix, subjects } from "../../../lib/protocol/subjects.ts";
import { getObject } from "../../../lib/transfer/get.ts";
import { LogWriter } from "../../../lib/transfer/log-writer.ts";
import { chunkSize, newObjectId, putObject } from "../../../lib/transfer/put.ts";
import { LabAgent } from "../../support/queue/lab-agent.ts";

export type ToLoad =
  | { readonly kind: "machine"; readonly builder: string }
  | { readonly kind: "start"; readonly builds: number; readonly imageBytes: number }
  | { readonly kind: "next" };
export interface FromLoad {
  readonly phase: "running" | "printed" | "stored" | "ended";
}

const HOUR_MS = 3_600_000;
const ASK_MS = 10_000;
const LINES_S = 2;
const PRINT_S = 20;
const MIB = 2 ** 20;

const [folder = "", url = ""] = process.argv.slice(2);
const installation = await openInstallation(folder);
if (installation === undefined) throw new Error("no installation");
const issuer = new Issuer({
  guestAccount: installation.guest,
  signingKey: await readKeyFile(installation.files.guestSigningSeed),
  nowMs: Date.now,
});
let imageBytes = 0;
/** The phases wait for the measurement. */
const proceed = new EventTarget();
setMaxListeners(0, proceed);

const tls = { caFile: installation.files.caFile, servername: installation.serverName };
async function open(jwt: string, key: NKey) {
  const nc = await connect({
    servers: url,
    tls,
    authenticator: authenticator(jwt, key),
    inboxPrefix: inboxPrefix(key.publicKey),
    timeout: 60_000,
  });
  return { nc, inboxPrefix: inboxPrefix(key.publicKey), apiPrefix: GUEST_API_PREFIX };
}
const openCreds = (text: string) => {
  const { jwt, key } = parseCreds(text, "issued");
  return open(jwt, key);
};

async function machine(builder: string): Promise<void> {
  const { nc } = await openCreds(issuer.builderCreds(builder, Date.now() + HOUR_MS).creds);
  const agent = new LabAgent(builder, nc);
  while (agent.lease === undefined) await agent.ask({ state: "ready" }).catch(() => sleep(1000));
  const { build } = agent.lease;
  const alive = setInterval(() => void agent.ask({ state: "building", build }).catch(() => undefined), ASK_MS);
  await runBuild(agent);
  clearInterval(alive);
  await nc.close();
}

async function barrier(name: FromLoad["phase"]): Promise<void> {
  arrived.set(name, (arrived.get(name) ?? 0) + 1);
  if (arrived.get(name) === total) {
    process.send?.({ phase: name });
  }
  await new Promise((resolve) => proceed.addEventListener(name, resolve, { once: true }));
}
const arrived = new Map<string, number>();
let total = 0;

/** As the real agent, repeats a request while the queue does not reply in time. */
async function repeated<T>(request: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await request();
    } catch {
      await sleep(1000);
    }
  }
}

async function runBuild(agent: LabAgent): Promise<void> {
  const { lease } = agent;
  if (lease === undefined) return;
  const { build } = lease;
  const js = await open(lease.jwt, agent.key);
  const publisher = new Publisher(js, { stream: buildStream(build) });
  const state = (body: BuildState) => publisher.publish(subjects.state(build), Buffer.from(JSON.stringify(body)));
  await state({ v: 1, state: "building" });
  const writer = new LogWriter(publisher, { subject: subjects.log(build), maxBytes: 4 * MIB });
  await barrier("running");
  for (let n = 0; n < LINES_S * PRINT_S; n += 1) {
    await writer.write(Buffer.from(`${"x".repeat(79)}\n`));
    await sleep(1000 / LINES_S);
  }
  await writer.end();
  await barrier("printed");
  const nuid = newObjectId();
  const image = { nuid, bytes: imageBytes, chunkBytes: chunkSize(js) };
  await repeated(() => agent.ask({ state: "storing", build, image }));
  await state({ v: 1, state: "uploading", ...image });
  const { digest } = await putObject(js, pieces(), { bucket: bucket(build), name: "image", nuid });
  await publisher.flush();
  await barrier("stored");
  await repeated(() => agent.end({ kind: "succeeded", bytes: imageBytes, digest }));
  publisher.close();
  await js.nc.close();
}

const PIECE = randomBytes(MIB);
async function* pieces(): AsyncGenerator<Uint8Array> {
  for (let n = 0; n < imageBytes / MIB; n += 1) yield PIECE;
}

async function client(nc: NatsConnection, user: string): Promise<void> {
  const key = createKey("user");
  const request = {
    v: 1,
    request: randomUUID(),
    publicKey: key.publicKey,
    recipe: { backend: "singularity", text: "Bootstrap: scratch\n" },
    name: "image.sif",
  } as const;
  const { build, jwt } = await call(reserve, { nc, principal: user, request, timeoutMs: 60_000 });
  const js = await open(jwt, key);
  const reader = new StreamReader(js, { stream: buildStream(build), filter: `build.${build}.*` });
  for await (const { subject, data } of reader) {
    if (subject !== subjects.state(build)) continue;
    const state = parseJson(data) as BuildState;
    if (state.state === "uploading") {
      const announced = { nuid: state.nuid, sizeBytes: state.bytes };
      for await (const _ of getObject(js, { bucket: bucket(build), name: "image", announced }));
    }
    if (state.state === "succeeded") break;
  }
  await js.nc.close();
}

async function start(builds: number): Promise<void> {
  total = builds;
  const users = ["ada", "bob", "eve"];
  const connections = await Promise.all(users.map((user) => openCreds(issuer.userCreds(user).creds)));
  const clients = Array.from({ length: builds }, async (_, n) => {
    await sleep(n * 50);
    const user = n % users.length;
    await client((connections[user] as { nc: NatsConnection }).nc, users[user] ?? "");
  });
  await Promise.all(clients);
  await sleep(20_000);
  process.send?.({ phase: "ended" });
}

const PHASES = ["running", "printed", "stored"];
process.on("message", (message: ToLoad) => {
  if (message.kind === "machine") void machine(message.builder).catch(console.error);
  else if (message.kind === "start") {
    imageBytes = message.imageBytes;
    void start(message.builds);
  } else proceed.dispatchEvent(new Event(PHASES.shift() ?? ""));
});
await once(process, "disconnect").catch(() => undefined);
process.exit(0);

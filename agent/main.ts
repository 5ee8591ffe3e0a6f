/** The agent: requests a lease, does one build, and exits. Its output is on the machine's console. */
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsConnection } from "nats";
import { type UserData, userData } from "../lib/config/user-data.ts";
import { systemClock } from "../lib/core/clock.ts";
import { messageOf } from "../lib/core/errors.ts";
import { createSealingKey, type SealingKey } from "../lib/core/sealed-box.ts";
import { type Credential, connectWithRetry, guestAccess } from "../lib/nats/connection.ts";
import { parseCreds } from "../lib/nats/credentials/creds.ts";
import { createKey, type NKey } from "../lib/nats/credentials/nkey.ts";
import type { BuildOutcome, Lease } from "../lib/protocol/builder-messages.ts";
import { decode } from "../lib/protocol/codec.ts";
import { ownImage } from "./image.ts";
import { keepAgentAlive } from "./memory-failure.ts";
import { QueueClient } from "./queue-client.ts";
import { forbidCoreDumps } from "./secrets.ts";
import { Terminal } from "./terminal.ts";
import { work } from "./work.ts";

/** Every form of the builder image has its user data here. */
const USER_DATA_PATH = "/run/container-builder/user-data";

/**
 * Folder of the build, the only one on this machine. Short, because an image's record of its recipe may contain paths
 * below it.
 */
const FOLDER = join(tmpdir(), "build");

/** Never aborted: an agent waits for NATS and the queue as long as its machine runs. */
const never = new AbortController().signal;

async function main(): Promise<void> {
  await Promise.all([keepAgentAlive(), forbidCoreDumps()]);
  const path = process.argv[2] ?? USER_DATA_PATH;
  const data = decode(userData, await readFile(path), path);
  const key = createKey("user");
  const sealingKey = createSealingKey();
  log(`builder ${data.builder} connects to ${data.nats.url}`);
  const nc = await connect(data, parseCreds(data.creds, path), "agent");
  const queue = new QueueClient({ nc, builder: data.builder, publicKey: key.publicKey, clock: systemClock, log });
  const lease = await waitForLease(queue, sealingKey.publicKey);
  if (lease !== undefined) {
    await serve({ data, key, sealingKey, queue, lease });
    await waitForStop(queue);
  }
  await nc.drain();
}

/** The machine ends with this process, so it goes on while the queue keeps the builder, for an operator who holds it. */
async function waitForStop(queue: QueueClient): Promise<void> {
  for (;;) {
    const reply = await queue.ask({ state: "ready" }, never);
    if (reply.order === "stop") return log(`the queue orders to stop: ${reply.reason}`);
  }
}

/** The lease. Undefined when the queue orders this builder to stop. */
async function waitForLease(queue: QueueClient, sealingKey: string): Promise<Lease | undefined> {
  const builderImage = await ownImage();
  for (;;) {
    const reply = await queue.ask({ state: "ready", sealingKey, ...(builderImage && { builderImage }) }, never);
    if (reply.order === "lease") return reply.lease;
    if (reply.order === "stop") {
      log(`the queue orders to stop: ${reply.reason}`);
      return undefined;
    }
  }
}

interface ServeOptions {
  readonly data: UserData;
  /** Key of the lease's JWT. */
  readonly key: NKey;
  /** Key of the lease's secrets. */
  readonly sealingKey: SealingKey;
  readonly queue: QueueClient;
  readonly lease: Lease;
}

/** Does the build and reports its outcome, with a heartbeat to the queue all the while. A machine that cannot begin it is broken. */
async function serve(options: ServeOptions): Promise<void> {
  const { build, attempt } = options.lease;
  log(`leased to build ${build}, attempt ${attempt}`);
  const stop = new AbortController();
  try {
    const outcome = await doBuild(options, stop).catch((error: unknown): BuildOutcome => {
      stop.signal.throwIfAborted();
      return { kind: "broken", reason: messageOf(error).slice(0, 1000) };
    });
    log(`build ended: ${JSON.stringify(outcome)}`);
    await options.queue.ask({ state: "ended", build, outcome }, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    log(`the queue orders to stop: ${messageOf(stop.signal.reason)}`);
  } finally {
    stop.abort();
  }
}

/** Throws the reason of `stop`, and the error that keeps the build from beginning. The heartbeat goes on until `stop` is aborted. */
async function doBuild(options: ServeOptions, stop: AbortController): Promise<BuildOutcome> {
  const { data, key, sealingKey, queue, lease } = options;
  const size = lease.terminal;
  const terminal = size === undefined ? undefined : await Terminal.open(join(FOLDER, "terminal"), size);
  heartbeat(queue, lease, { stop, terminal }).catch((error: unknown) => stop.abort(error));
  const nc = await connect(data, { jwt: lease.jwt, key }, "build");
  try {
    return await work({
      lease,
      builder: data.builder,
      sealingKey,
      js: guestAccess(nc),
      queue,
      folder: FOLDER,
      terminal,
      signal: stop.signal,
    });
  } finally {
    await nc.close();
  }
}

interface OrderTargets {
  /** Aborted by the order `stop`. */
  readonly stop: AbortController;
  /** Resized by the order `resize`. */
  readonly terminal: Terminal | undefined;
}

/** Reports `building` until `stop` is aborted, and executes the orders in the replies. */
async function heartbeat(queue: QueueClient, { build }: Lease, { stop, terminal }: OrderTargets): Promise<void> {
  while (!stop.signal.aborted) {
    const reply = await queue.ask({ state: "building", build }, stop.signal);
    if (reply.order === "stop") stop.abort(new Error(reply.reason));
    if (reply.order === "resize") await terminal?.resize(reply.terminal).catch((error) => log(messageOf(error)));
  }
}

/** Connects to NATS as `<role> <builder>`, with retries until it succeeds. */
function connect(data: UserData, credential: Credential, role: string): Promise<NatsConnection> {
  const { url, servername, ca } = data.nats;
  const address = { url, ...(servername !== undefined && { servername }), ...(ca !== undefined && { ca }) };
  const name = `${role} ${data.builder}`;
  const onStatus = (status: string, server: string): void => log(`NATS ${status}: ${server}`);
  return connectWithRetry(
    { address, credential, name, onStatus },
    { signal: never, onFailure: (error) => log(error.message) },
  );
}

function log(line: string): void {
  console.log(`${new Date().toISOString()} ${line}`);
}

// Without a listener Node opens its debugger, and a process of the recipe could command the agent.
process.on("SIGUSR1", () => undefined);
main().then(
  () => process.exit(0),
  (error: unknown) => {
    log(`failed: ${error instanceof Error ? error.stack : messageOf(error)}`);
    process.exit(1);
  },
);

/** The agent: asks for work, does one build, and is done. Everything it prints goes to the machine's console. */
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsConnection } from "nats";
import { type UserData, userData } from "../lib/config/user-data.ts";
import { systemClock } from "../lib/core/clock.ts";
import { messageOf } from "../lib/core/errors.ts";
import { type Credential, connectWithRetry, guestAccess } from "../lib/nats/connection.ts";
import { parseCreds } from "../lib/nats/credentials/creds.ts";
import { createKey, type NKey } from "../lib/nats/credentials/nkey.ts";
import type { Lease } from "../lib/protocol/builder-messages.ts";
import { decode } from "../lib/protocol/codec.ts";
import { ownImage } from "./image.ts";
import { QueueClient } from "./queue-client.ts";
import { Terminal } from "./terminal.ts";
import { work } from "./work.ts";

/** Where every form of the builder image puts it. */
const USER_DATA_PATH = "/run/container-builder/user-data";

/** A builder builds once; short, because paths below it may show in an image's record of its recipe. */
const FOLDER = join(tmpdir(), "build");

/** An agent waits for NATS and the queue as long as its machine lives. */
const never = new AbortController().signal;

const say = (line: string): void => console.log(`${new Date().toISOString()} ${line}`);

async function main(): Promise<void> {
  const path = process.argv[2] ?? USER_DATA_PATH;
  const data = decode(userData, await readFile(path), path);
  const key = createKey("user");
  say(`builder ${data.builder} asks at ${data.nats.url}`);
  const nc = await connect(data, parseCreds(data.creds, path), "agent");
  const principal = new QueueClient({ nc, builder: data.builder, publicKey: key.publicKey, clock: systemClock, say });
  const lease = await untilLeased(principal);
  if (lease !== undefined) await serve(data, key, principal, lease);
  await nc.drain();
}

/** The lease, or undefined when this builder is not wanted any more. */
async function untilLeased(principal: QueueClient): Promise<Lease | undefined> {
  const builderImage = await ownImage();
  for (;;) {
    const answer = await principal.ask({ state: "ready", ...(builderImage && { builderImage }) }, never);
    if (answer.order === "lease") return answer.lease;
    if (answer.order === "stop") {
      say(`told to stop: ${answer.reason}`);
      return undefined;
    }
  }
}

async function serve(data: UserData, key: NKey, principal: QueueClient, lease: Lease): Promise<void> {
  const { build, attempt } = lease;
  say(`leased to build ${build}, attempt ${attempt}`);
  const stop = new AbortController();
  const size = lease.terminal;
  const terminal = size === undefined ? undefined : await Terminal.open(join(FOLDER, "terminal"), size);
  const beating = heartbeat(principal, lease, { stop, terminal });
  const nc = await connect(data, { jwt: lease.jwt, key }, "build");
  try {
    const outcome = await work({
      lease,
      js: guestAccess(nc),
      principal,
      folder: FOLDER,
      terminal,
      signal: stop.signal,
    });
    say(`build ended: ${JSON.stringify(outcome)}`);
    await principal.ask({ state: "ended", build, outcome }, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    say(`told to stop: ${messageOf(stop.signal.reason)}`);
  } finally {
    stop.abort();
    await Promise.allSettled([beating, nc.close()]);
  }
}

interface Orders {
  readonly stop: AbortController;
  readonly terminal: Terminal | undefined;
}

/** Says "alive" for as long as the build lasts, and does what the queue says. */
async function heartbeat(principal: QueueClient, { build }: Lease, { stop, terminal }: Orders): Promise<void> {
  while (!stop.signal.aborted) {
    const answer = await principal.ask({ state: "building", build }, stop.signal);
    if (answer.order === "stop") stop.abort(new Error(answer.reason));
    if (answer.order === "resize") await terminal?.resize(answer.terminal);
  }
}

const connect = (data: UserData, credential: Credential, role: string): Promise<NatsConnection> =>
  connectWithRetry(
    {
      address: {
        url: data.nats.url,
        ...(data.nats.servername === undefined ? {} : { servername: data.nats.servername }),
        ...(data.nats.ca === undefined ? {} : { ca: data.nats.ca }),
      },
      credential,
      name: `${role} ${data.builder}`,
      onStatus: (status, server) => say(`NATS ${status}: ${server}`),
    },
    { signal: never, onFailure: (error) => say(error.message) },
  );

main().then(
  () => process.exit(0),
  (error: unknown) => {
    say(`failed: ${error instanceof Error ? error.stack : messageOf(error)}`);
    process.exit(1);
  },
);

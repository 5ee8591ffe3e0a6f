/** The one place where cb-queue's rooms meet the real NATS, the real providers and the real clock. */
import { readFileSync } from "node:fs";
import type { NatsConnection } from "nats";
import type { Logger } from "pino";
import { readCaFile } from "../config/ca-file.ts";
import type { PoolConfig, QueueConfig, RegistryConfig } from "../config/queue-config.ts";
import type { UserData } from "../config/user-data.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { CbError, messageOf } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import { type ConnectOptions, connectPatiently } from "../nats/connection.ts";
import { readCreds } from "../nats/credentials/creds.ts";
import { Issuer, readKeyFile } from "../nats/credentials/issuer.ts";
import { openConsumerProxy } from "../nats/jetstream/consumer-proxy.ts";
import { openKvStore } from "../nats/jetstream/kv.ts";
import { Records } from "../nats/jetstream/records.ts";
import { queueAnswers, startService } from "../nats/rpc/server.ts";
import type { Registry } from "../oci/address.ts";
import { openPool } from "../pool/open.ts";
import type { Pool } from "../pool/pool.ts";
import { poolPolicy } from "../pool/reconciler/policy.ts";
import { providersFor } from "../provider/make-provider.ts";
import type { Provider } from "../provider/provider.ts";
import { Images } from "./api/images.ts";
import { Builds } from "./builds/builds.ts";
import { buildRecord, recipeRecord } from "./builds/record.ts";
import { BuildStreams } from "./builds/streams.ts";
import { checkAtStart } from "./check-providers.ts";
import { OUTAGE_MS } from "./leases/credential-life.ts";
import { ParkedRequests } from "./leases/parked-requests.ts";
import type { QueuePorts } from "./ports.ts";
import { Queue } from "./queue.ts";
import { Users } from "./users/users.ts";

/** Records of builds, 1 KiB each: a hundred thousand. The disk is reserved, so no more than it takes. */
const BUILDS_BUCKET = "cb-builds";
const BUILDS_MAX_BYTES = 128 * 1024 * 1024;
/** Recipes of builds that have not ended, 1 MiB each at most; apart, so that large ones keep no record from being written. */
const RECIPES_BUCKET = "cb-recipes";
const RECIPES_MAX_BYTES = 512 * 1024 * 1024;

export interface Daemon {
  /** Stops answering, lets what is under way finish, and leaves builders and builds as they are. */
  stop(): Promise<void>;
}

export interface QueueDaemonOptions {
  readonly config: QueueConfig;
  readonly log: Logger;
  /** Ends the start, which may wait for NATS. */
  readonly signal: AbortSignal;
}

/** Resolves when the queue answers. Throws CbError "config", "denied", "infrastructure", and what `signal` aborts with. */
export async function startQueueDaemon(options: QueueDaemonOptions): Promise<Daemon> {
  const { config, log } = options;
  const issuer = await makeIssuer(config, systemClock);
  const providers = providersFor(config);
  await checkAtStart(providers, log, options.signal);
  const pools = new Map<string, Pool>();
  const nc = await connect(options, "records");
  await refuseSecond(nc);
  // Each over a connection of its own: NATS hands out what strangers send in the order in which it came, and the answers of
  // JetStream would stand behind all of it.
  const asked = await connect(options, "questions", (status) => {
    // An agent's silence says nothing about it while nobody could have heard it.
    for (const pool of pools.values()) pool.setListening(status === "back");
  });
  const reading = await connect(options, "readers");
  for (const pool of config.pools) {
    const provider = providers.get(pool.name);
    if (provider) pools.set(pool.name, await openOnePool(pool, { config, nc, issuer, log, provider }));
  }
  const ports = await makePorts({ config, nc, issuer, pools, log });
  const queue = new Queue(ports);
  const door = openConsumerProxy(reading);
  const service = await startService(nc, VERSION);
  await queue.start({ questions: asked, readers: door });
  await reading.flush();
  for (const pool of pools.values()) pool.start();
  log.info({ pools: [...pools.keys()] }, "cb-queue answers");
  return {
    async stop() {
      await Promise.all([service.stop(), door.close(), queue.stop()]);
      await Promise.all([...pools.values()].map((pool) => pool.stop()));
      await Promise.all([nc, asked, reading].map((connection) => connection.drain()));
    },
  };
}

async function connect(
  { config, log, signal }: QueueDaemonOptions,
  what: string,
  onStatus: (status: "lost" | "back") => void = () => undefined,
): Promise<NatsConnection> {
  const { url, servername, ca, creds } = config.nats;
  const options: ConnectOptions = {
    address: {
      url,
      ...(servername === undefined ? {} : { servername }),
      ...(ca === undefined ? {} : { ca: readCaFile(ca, "the queue's setting nats.ca") }),
    },
    credential: await readCreds(creds, systemClock.nowMs()),
    name: `cb-queue ${what}`,
    onStatus: (status, server) => {
      log.warn({ status, server, what }, "NATS");
      onStatus(status);
    },
  };
  // Queue and NATS may be started by the same boot, in any order.
  return connectPatiently(options, {
    signal,
    onFailure: (error) => log.warn({ err: error }, "NATS cannot be reached yet"),
  });
}

/** How long a queue that is there may take to say so. */
const PING_MS = 1_000;

/**
 * Two queues on one NATS would each remember half of what happens. Throws CbError "config" when another one answers.
 */
async function refuseSecond(nc: NatsConnection): Promise<void> {
  if (!(await queueAnswers(nc, PING_MS))) return;
  throw new CbError("config", "another cb-queue answers on this NATS already", { hint: "stop it first: one leads" });
}

async function makeIssuer(config: QueueConfig, clock: Clock): Promise<Issuer> {
  const signingKey = await readKeyFile(config.issuer.signingKey);
  return new Issuer({ guestAccount: config.issuer.account, signingKey, nowMs: () => clock.nowMs() });
}

interface Wiring {
  readonly config: QueueConfig;
  readonly nc: NatsConnection;
  readonly issuer: Issuer;
  readonly log: Logger;
}

async function openOnePool(
  pool: PoolConfig,
  { config, nc, issuer, log, provider }: Wiring & { provider: Provider },
): Promise<Pool> {
  const { installation, limits } = config;
  const policy = poolPolicy({
    pool: pool.name,
    reserveTarget: pool.reserve,
    totalMax: pool.max,
    bootTimeoutMs: pool.bootTimeoutSeconds * 1000,
    maxReadyAgeMs: pool.maxReadySeconds * 1000,
  });
  const lifeMs = policy.bootTimeoutMs + policy.maxReadyAgeMs + limits.buildMs + OUTAGE_MS;
  const { ca, url, servername } = pool.nats;
  const nats: UserData["nats"] = {
    url,
    ...(servername === undefined ? {} : { servername }),
    ...(ca === undefined ? {} : { ca: readCaFile(ca, `the setting nats.ca of pool ${pool.name}`) }),
  };
  return openPool({
    nc,
    replicas: config.nats.replicas,
    provider,
    policy,
    installation,
    userDataFor: async (builder) => {
      const { creds } = issuer.builderCreds(builder, systemClock.nowMs() + lifeMs);
      const data: UserData = { v: 1, builder, nats, creds };
      return JSON.stringify(data);
    },
    clock: systemClock,
    log: log.child({ pool: pool.name }),
  });
}

async function makePorts(wiring: Wiring & { pools: ReadonlyMap<string, Pool> }): Promise<QueuePorts> {
  const { config, nc, issuer, pools, log } = wiring;
  const { replicas } = config.nats;
  const keys = await openKvStore(nc, { bucket: BUILDS_BUCKET, replicas, maxBytes: BUILDS_MAX_BYTES });
  const recipeKeys = await openKvStore(nc, { bucket: RECIPES_BUCKET, replicas, maxBytes: RECIPES_MAX_BYTES });
  const stores = {
    records: new Records(keys, "build", buildRecord),
    recipes: new Records(recipeKeys, "recipe", recipeRecord),
  };
  return {
    builds: new Builds(stores),
    users: await Users.open(nc, replicas, systemClock),
    streams: new BuildStreams(nc, { replicas, logBytes: config.limits.logBytes }),
    pools,
    poolKinds: config.pools.map(({ name, arch }) => ({ name, arch })),
    parked: new ParkedRequests(),
    issuer,
    images: new Images({ registries: config.registries.map(withLogin), clock: systemClock, log }),
    plainHttpRegistries: config.registries.filter(({ plainHttp }) => plainHttp).map(({ host }) => host),
    limits: config.limits,
    clock: systemClock,
    log,
  };
}

/** The password may end with the line break that editors leave. */
function withLogin({ host, plainHttp, username, passwordFile }: RegistryConfig): Registry {
  if (username === undefined || passwordFile === undefined) return { host, plainHttp };
  return { host, plainHttp, login: { username, password: readText(passwordFile).replace(/\r?\n$/, "") } };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new CbError("config", `cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}

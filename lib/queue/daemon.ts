/** Starts cb-queue: connects to NATS, opens providers and pools, and wires them to the queue with the system clock. */
import { readFileSync } from "node:fs";
import type { NatsConnection } from "nats";
import type { Logger } from "pino";
import { readCaFile } from "../config/ca-file.ts";
import type { PoolConfig, QueueConfig, RegistryConfig } from "../config/queue-config.ts";
import type { UserData } from "../config/user-data.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { CbError, messageOf } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import { type ConnectOptions, connectWithRetry } from "../nats/connection.ts";
import { readCreds } from "../nats/credentials/creds.ts";
import { Issuer, readKeyFile } from "../nats/credentials/issuer.ts";
import { readSealingKeys } from "../nats/credentials/sealing-key.ts";
import { openConsumerProxy } from "../nats/jetstream/consumer-proxy.ts";
import { openKvStore } from "../nats/jetstream/kv.ts";
import { readStorage } from "../nats/jetstream/storage.ts";
import { StreamHealth } from "../nats/jetstream/stream-health.ts";
import { isQueueReachable, startService } from "../nats/rpc/server.ts";
import type { Registry } from "../oci/address.ts";
import { openPool } from "../pool/open.ts";
import type { Pool } from "../pool/pool.ts";
import { poolPolicy } from "../pool/reconciler/policy.ts";
import { providersFor } from "../provider/make-provider.ts";
import type { Provider } from "../provider/provider.ts";
import { registryName } from "../recipe/base-images.ts";
import { Images } from "./api/images.ts";
import { OUTAGE_MS } from "./builds/build-credentials.ts";
import { Builds } from "./builds/builds.ts";
import { BuildStreams } from "./builds/streams.ts";
import { checkAtStart } from "./check-providers.ts";
import { Drains } from "./leases/drains.ts";
import { ParkedRequests } from "./leases/parked-requests.ts";
import { Queue } from "./queue.ts";
import { Claims } from "./reuse/claims.ts";
import type { QueueOptions } from "./services.ts";
import { StorageMonitor } from "./storage/storage-monitor.ts";
import { Usage } from "./users/usage.ts";
import { Users } from "./users/users.ts";
import type { ConnectionName } from "./watch/readiness.ts";
import type { Watch } from "./watch/watch.ts";

/** A hundred thousand records of builds of 1 KiB each. JetStream reserves this space on the disk. */
const BUILDS_BUCKET = "cb-builds";
const BUILDS_MAX_BYTES = 128 * 1024 * 1024;
/** Recipes of builds that have not ended, at most 1 MiB each. In a bucket of their own, so that they never fill that of the records. */
const RECIPES_BUCKET = "cb-recipes";
const RECIPES_MAX_BYTES = 512 * 1024 * 1024;

export interface Daemon {
  /** Stops serving, lets requests in progress finish, and leaves builders and builds as they are. */
  stop(): Promise<void>;
}

export interface QueueDaemonOptions {
  readonly config: QueueConfig;
  readonly log: Logger;
  /** Aborts the start, which may wait for NATS. */
  readonly signal: AbortSignal;
  readonly watch: Watch;
}

/**
 * Resolves when the queue serves requests. Throws CbError "config", "denied", "infrastructure", and the abort reason of
 * `signal`.
 */
export async function startQueueDaemon(options: QueueDaemonOptions): Promise<Daemon> {
  const { config, log, watch } = options;
  const issuer = await makeIssuer(config, systemClock);
  const providers = providersFor(config, watch.onCloudCall);
  await checkAtStart(providers, log, options.signal);
  const pools = new Map<string, Pool>();
  const nc = await connect(options, "records");
  await refuseSecond(nc);
  // Requests and readers have connections of their own: NATS delivers the messages of one connection in the order of their
  // arrival, so replies of JetStream would be delayed behind a flood from unknown principals.
  const requestNc = await connect(options, "requests", (status) => {
    // While this connection is lost no heartbeat can arrive, so an agent's silence does not count.
    for (const pool of pools.values()) pool.setListening(status === "back");
  });
  const readerNc = await connect(options, "readers");
  for (const pool of config.pools) {
    const provider = providers.get(pool.name);
    if (provider) pools.set(pool.name, await openOnePool(pool, { config, nc, issuer, log, watch, provider }));
  }
  const queueOptions = await openQueueOptions({ config, nc, issuer, pools, log, watch });
  const queue = new Queue(queueOptions);
  const consumerProxy = openConsumerProxy(readerNc);
  const service = await startService(nc, VERSION);
  await queue.start({ requests: requestNc, readers: consumerProxy });
  await readerNc.flush();
  for (const pool of pools.values()) pool.start();
  await watch.start({ ...queueOptions, nc, providers, waiting: () => queue.waiting() });
  log.info({ pools: [...pools.keys()] }, "cb-queue answers");
  return {
    async stop() {
      await watch.setStopping();
      await Promise.all([service.stop(), consumerProxy.close(), queue.stop()]);
      await Promise.all([...pools.values()].map((pool) => pool.stop()));
      await Promise.all([nc, requestNc, readerNc].map((connection) => connection.drain()));
    },
  };
}

async function connect(
  { config, log, signal, watch }: QueueDaemonOptions,
  purpose: ConnectionName,
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
    name: `cb-queue ${purpose}`,
    onStatus: (status, server) => {
      log.warn({ status, server, connection: purpose }, "NATS");
      watch.setConnected(purpose, status === "back");
      onStatus(status);
    },
  };
  // At boot the queue and NATS may start in any order.
  const nc = await connectWithRetry(options, {
    signal,
    onFailure: (error) => log.warn({ err: error }, "NATS cannot be reached yet"),
  });
  watch.setConnected(purpose, true);
  return nc;
}

/** The longest wait for the reply of another running queue. */
const PING_MS = 1_000;

/** Each of two queues on one NATS would keep only a part of the records in memory. Throws CbError "config" when another one replies. */
async function refuseSecond(nc: NatsConnection): Promise<void> {
  if (!(await isQueueReachable(nc, PING_MS))) return;
  throw new CbError("config", "another cb-queue is running on this NATS", {
    hint: "stop it first: only one queue may run on one NATS",
  });
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
  readonly watch: Watch;
}

async function openOnePool(
  pool: PoolConfig,
  { config, nc, issuer, log, watch, provider }: Wiring & { provider: Provider },
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
    observer: watch.poolObserver,
  });
}

/** Opens the records. Throws CbError "infrastructure". */
async function openQueueOptions(wiring: Wiring & { pools: ReadonlyMap<string, Pool> }): Promise<QueueOptions> {
  const { config, nc, issuer, pools, log, watch } = wiring;
  const { events } = watch;
  const { replicas } = config.nats;
  const health = new StreamHealth({ nc, log });
  const keys = await openKvStore(nc, { bucket: BUILDS_BUCKET, replicas, maxBytes: BUILDS_MAX_BYTES, health });
  const { sealingKey } = config.issuer;
  const registries = config.registries.map(withLogin);
  const recipeKeys = await openKvStore(nc, { bucket: RECIPES_BUCKET, replicas, maxBytes: RECIPES_MAX_BYTES, health });
  const builds = new Builds({ records: keys, recipes: recipeKeys, log, events });
  return {
    builds,
    claims: new Claims(keys, log),
    usage: await Usage.open({ nc, replicas, builds, clock: systemClock, log }),
    quotas: config.quotas,
    users: await Users.open({ nc, replicas, clock: systemClock, log }),
    streams: new BuildStreams(nc, { replicas, logBytes: config.limits.logBytes, events }, health),
    storage: new StorageMonitor({ read: () => readStorage(nc, replicas), health, log }),
    pools,
    drains: await Drains.open({ nc, replicas, pools, clock: systemClock, log }),
    poolKinds: config.pools.map(({ name, arch, gpu, mirrors, layers }) => ({ name, arch, gpu, mirrors, layers })),
    parked: new ParkedRequests(),
    issuer,
    sealingKeys: sealingKey === undefined ? [] : await readSealingKeys(sealingKey),
    siteLogins: registries.flatMap(({ host, login }, at) =>
      login === undefined || !config.registries[at]?.loginForBuilds ? [] : [{ registry: registryName(host), ...login }],
    ),
    images: new Images({ registries, clock: systemClock, log }),
    compression: config.compression,
    bootstraps: config.bootstraps,
    plainHttpRegistries: config.registries.filter(({ plainHttp }) => plainHttp).map(({ host }) => host),
    limits: config.limits,
    clock: systemClock,
    log,
    events,
    warnings: () => watch.warnings(),
  };
}

/** Removes a line break at the end of the password file, which editors add. */
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

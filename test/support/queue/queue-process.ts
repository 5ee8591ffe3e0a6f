/** One process of the queue in a QueueLab: a real Queue and Pool on a real NATS, with the lab's clock and cloud. */
import type { NatsConnection } from "nats";
import * as v from "valibot";
import { bootstrapsConfig } from "../../../lib/config/bootstraps-config.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { createLogger } from "../../../lib/core/log.ts";
import type { SealingKey } from "../../../lib/core/sealed-box.ts";
import type { Issuer } from "../../../lib/nats/credentials/issuer.ts";
import { type KvStore, openKvStore } from "../../../lib/nats/jetstream/kv.ts";
import { readStorage } from "../../../lib/nats/jetstream/storage.ts";
import { StreamHealth } from "../../../lib/nats/jetstream/stream-health.ts";
import { openPool } from "../../../lib/pool/open.ts";
import type { Pool } from "../../../lib/pool/pool.ts";
import { poolPolicy } from "../../../lib/pool/reconciler/policy.ts";
import { Images } from "../../../lib/queue/api/images.ts";
import { Builds } from "../../../lib/queue/builds/builds.ts";
import { BuildStreams } from "../../../lib/queue/builds/streams.ts";
import { Drains } from "../../../lib/queue/leases/drains.ts";
import { ParkedRequests } from "../../../lib/queue/leases/parked-requests.ts";
import { Queue } from "../../../lib/queue/queue.ts";
import { Claims } from "../../../lib/queue/reuse/claims.ts";
import type { QueueOptions } from "../../../lib/queue/services.ts";
import { StorageMonitor } from "../../../lib/queue/storage/storage-monitor.ts";
import { Usage } from "../../../lib/queue/users/usage.ts";
import { Users } from "../../../lib/queue/users/users.ts";
import type { ManualClock } from "../manual-clock.ts";
import type { LabCloud } from "./lab-cloud.ts";

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;
export const LOG_BYTES = MIB;
export const POOL = "p";
export const LIMITS: QueueOptions["limits"] = {
  buildMs: 6 * HOUR_MS,
  waitMs: 24 * HOUR_MS,
  contextMs: 120_000,
  contextBytes: MIB,
  logBytes: LOG_BYTES,
  imageBytes: 8 * MIB,
  imageKeptMs: 24 * HOUR_MS,
  recordKeptMs: 24 * 7 * HOUR_MS,
  leasedPerUser: 4,
  waitingPerUser: 100,
};

const log = createLogger({ name: "lab", level: "silent" });

export interface QueueProcessOptions {
  readonly nc: NatsConnection;
  readonly issuer: Issuer;
  readonly sealingKeys: readonly SealingKey[];
  readonly clock: ManualClock;
  readonly cloud: LabCloud;
  /** True: the record with that value is written, and the reply is lost. */
  readonly losesReplyTo: (value: string) => boolean;
  /** True: the reply to a read of a record is lost. */
  readonly losesRead: () => boolean;
  /** Default: none. */
  readonly quotas?: QueueOptions["quotas"];
}

export interface QueueProcess {
  readonly builds: Builds;
  readonly streams: BuildStreams;
  readonly pool: Pool;
  isRunning(): boolean;
  /** Like SIGKILL: nothing that the process does after this has any effect. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** Rejects with the error that keeps the queue from starting. */
export async function startQueueProcess(options: QueueProcessOptions): Promise<QueueProcess> {
  const { nc, clock, cloud } = options;
  const { provider, kill: killProvider } = cloud.killableProvider();
  const policy = poolPolicy({ pool: POOL, reserveTarget: 2, totalMax: 6 });
  const userDataFor = async () => "{}";
  const pool = await openPool({ nc, replicas: 1, provider, policy, installation: "lab", userDataFor, clock, log });
  const queueOptions = await openQueueOptions(options, pool);
  const { builds, streams, parked } = queueOptions;
  const queue = new Queue(queueOptions);
  // The lab has no consumer proxy; a test that needs one opens it.
  await queue.start({ requests: nc, readers: { expect: () => undefined } });
  pool.start();
  const kill = async () => {
    killProvider();
    parked.clear();
    await nc.close();
  };
  const stop = async () => {
    const stopping = Promise.all([queue.stop(), pool.stop()]);
    await kill();
    // Wakes every sleeper on the clock.
    await clock.advance(60_000);
    await stopping;
  };
  return { builds, streams, pool, isRunning: () => !nc.isClosed(), kill, stop };
}

async function openQueueOptions(options: QueueProcessOptions, pool: Pool): Promise<QueueOptions> {
  const { nc, clock, issuer, sealingKeys, losesReplyTo, losesRead } = options;
  const health = new StreamHealth({ nc, log });
  const keys = await openKvStore(nc, { bucket: "cb-builds", replicas: 1, maxBytes: 8 * MIB, health });
  const recipeKeys = await openKvStore(nc, { bucket: "cb-recipes", replicas: 1, maxBytes: 8 * MIB, health });
  const pools = new Map([[POOL, pool]]);
  const records = losingReplies(keys, losesReplyTo, losesRead);
  const builds = new Builds({ records, recipes: recipeKeys, log });
  return {
    builds,
    claims: new Claims(records, log),
    usage: await Usage.open({ nc, replicas: 1, builds, clock, log }),
    quotas: options.quotas ?? { users: {} },
    users: await Users.open({ nc, replicas: 1, clock, log }),
    streams: new BuildStreams(nc, { replicas: 1, logBytes: LOG_BYTES }, health),
    storage: new StorageMonitor({ read: () => readStorage(nc, 1), health, log }),
    pools,
    drains: await Drains.open({ nc, replicas: 1, pools, clock, log }),
    poolKinds: [{ name: POOL, arch: "x86_64" }],
    parked: new ParkedRequests(),
    issuer,
    sealingKeys,
    bootstraps: v.parse(bootstrapsConfig, { mirrors: ["http://deb.debian.org/debian"] }),
    images: new Images({ registries: [], clock, log }),
    plainHttpRegistries: [],
    limits: LIMITS,
    clock,
    log,
  };
}

function losingReplies(keys: KvStore, losesReplyTo: (value: string) => boolean, losesRead: () => boolean): KvStore {
  const lost = () => new CbError("infrastructure", "the reply is lost");
  const orLost = (value: string, revision: number) => {
    if (losesReplyTo(value)) throw lost();
    return revision;
  };
  return {
    list: (prefix) => keys.list(prefix),
    names: (prefix) => keys.names(prefix),
    get: (key) => (losesRead() ? Promise.reject(lost()) : keys.get(key)),
    create: async (key, value) => orLost(value, await keys.create(key, value)),
    remove: (key, revision) => keys.remove(key, revision),
    update: async (key, value, revision) => orLost(value, await keys.update(key, value, revision)),
  };
}

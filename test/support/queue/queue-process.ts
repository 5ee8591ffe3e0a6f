/** One process of the queue in a QueueLab: a real Queue and Pool on a real NATS, with the lab's clock and cloud. */
import type { NatsConnection } from "nats";
import { CbError } from "../../../lib/core/errors.ts";
import { createLogger } from "../../../lib/core/log.ts";
import type { Issuer } from "../../../lib/nats/credentials/issuer.ts";
import { type KvStore, openKvStore } from "../../../lib/nats/jetstream/kv.ts";
import { openPool } from "../../../lib/pool/open.ts";
import type { Pool } from "../../../lib/pool/pool.ts";
import { poolPolicy } from "../../../lib/pool/reconciler/policy.ts";
import { Images } from "../../../lib/queue/api/images.ts";
import { Builds } from "../../../lib/queue/builds/builds.ts";
import { BuildStreams } from "../../../lib/queue/builds/streams.ts";
import { ParkedRequests } from "../../../lib/queue/leases/parked-requests.ts";
import { Queue } from "../../../lib/queue/queue.ts";
import type { QueueOptions } from "../../../lib/queue/services.ts";
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
  readonly clock: ManualClock;
  readonly cloud: LabCloud;
  /** True: the update with that value is written, and its reply is lost. */
  readonly losesReplyTo: (value: string) => boolean;
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
  const { nc, clock, issuer, losesReplyTo } = options;
  const keys = await openKvStore(nc, { bucket: "cb-builds", replicas: 1, maxBytes: 8 * MIB });
  const recipeKeys = await openKvStore(nc, { bucket: "cb-recipes", replicas: 1, maxBytes: 8 * MIB });
  return {
    builds: new Builds({ records: losingReplies(keys, losesReplyTo), recipes: recipeKeys, log }),
    users: await Users.open({ nc, replicas: 1, clock, log }),
    streams: new BuildStreams(nc, { replicas: 1, logBytes: LOG_BYTES }),
    pools: new Map([[POOL, pool]]),
    poolKinds: [{ name: POOL, arch: "x86_64" }],
    parked: new ParkedRequests(),
    issuer,
    images: new Images({ registries: [], clock, log }),
    plainHttpRegistries: [],
    limits: LIMITS,
    clock,
    log,
  };
}

function losingReplies(keys: KvStore, losesReplyTo: (value: string) => boolean): KvStore {
  return {
    list: (prefix) => keys.list(prefix),
    names: (prefix) => keys.names(prefix),
    get: (key) => keys.get(key),
    create: (key, value) => keys.create(key, value),
    remove: (key, revision) => keys.remove(key, revision),
    update: async (key, value, revision) => {
      const written = await keys.update(key, value, revision);
      if (!losesReplyTo(value)) return written;
      throw new CbError("infrastructure", "the reply is lost");
    },
  };
}

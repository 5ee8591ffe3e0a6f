/** A queue for benchmarks: pool, consumer proxy and NATS are the real ones, the cloud is simulated. */
import type { NatsConnection } from "nats";
import { systemClock } from "../../lib/core/clock.ts";
import { createLogger } from "../../lib/core/log.ts";
import type { Issuer } from "../../lib/nats/credentials/issuer.ts";
import { openConsumerProxy } from "../../lib/nats/jetstream/consumer-proxy.ts";
import { openKvStore } from "../../lib/nats/jetstream/kv.ts";
import { readStorage } from "../../lib/nats/jetstream/storage.ts";
import { StreamHealth } from "../../lib/nats/jetstream/stream-health.ts";
import { openPool } from "../../lib/pool/open.ts";
import { poolPolicy } from "../../lib/pool/reconciler/policy.ts";
import type { BuilderSpec } from "../../lib/provider/provider.ts";
import { Images } from "../../lib/queue/api/images.ts";
import { Builds } from "../../lib/queue/builds/builds.ts";
import { BuildStreams } from "../../lib/queue/builds/streams.ts";
import { Drains } from "../../lib/queue/leases/drains.ts";
import { ParkedRequests } from "../../lib/queue/leases/parked-requests.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { Claims } from "../../lib/queue/reuse/claims.ts";
import { StorageMonitor } from "../../lib/queue/storage/storage-monitor.ts";
import { Usage } from "../../lib/queue/users/usage.ts";
import { Users } from "../../lib/queue/users/users.ts";
import { LabCloud } from "../support/queue/lab-cloud.ts";
import { LIMITS } from "../support/queue/queue-process.ts";

const MIB = 2 ** 20;

export interface BenchQueueOptions {
  /** Three connections in CORE, as cb-queue has them. */
  readonly nc: NatsConnection;
  readonly requests: NatsConnection;
  readonly readers: NatsConnection;
  readonly issuer: Issuer;
  /** Builds that may run at once, and that one user may have running or waiting. */
  readonly builds: number;
  /** Builders that are kept ready. Default 2. */
  readonly reserve?: number;
  /** Called with the id of each new builder: the caller starts its agent. */
  readonly onCreate: (builder: string) => void;
}

/** A queue as lib/queue/daemon.ts wires it, with a simulated cloud. */
export async function startQueue(options: BenchQueueOptions): Promise<void> {
  const { nc, requests, readers, issuer, builds, reserve = 2, onCreate } = options;
  const log = createLogger({ name: "bench", level: "error" });
  const { provider } = new LabCloud().killableProvider();
  const create = async (spec: BuilderSpec) => {
    await provider.create(spec, new AbortController().signal);
    onCreate(spec.builder);
  };
  const policy = poolPolicy({ pool: "p", reserveTarget: reserve, totalMax: builds + reserve });
  const pool = await openPool({
    nc,
    replicas: 1,
    provider: { ...provider, create },
    policy,
    installation: "bench",
    userDataFor: async () => "{}",
    clock: systemClock,
    log,
  });
  const health = new StreamHealth({ nc, log });
  const kv = { replicas: 1, maxBytes: 64 * MIB, health };
  const keys = await openKvStore(nc, { ...kv, bucket: "cb-builds" });
  const recipeKeys = await openKvStore(nc, { ...kv, bucket: "cb-recipes" });
  const records = new Builds({ records: keys, recipes: recipeKeys, log });
  const pools = new Map([["p", pool]]);
  const queue = new Queue({
    builds: records,
    claims: new Claims(keys, log),
    usage: await Usage.open({ nc, replicas: 1, builds: records, clock: systemClock, log }),
    drains: await Drains.open({ nc, replicas: 1, pools, clock: systemClock, log }),
    quotas: { users: {} },
    users: await Users.open({ nc, replicas: 1, clock: systemClock, log }),
    streams: new BuildStreams(nc, { replicas: 1, logBytes: 4 * MIB }, health),
    storage: new StorageMonitor({ read: () => readStorage(nc, 1), health, log }),
    pools,
    poolKinds: [{ name: "p", arch: "x86_64" }],
    parked: new ParkedRequests(),
    issuer,
    images: new Images({ registries: [], clock: systemClock, log }),
    plainHttpRegistries: [],
    limits: { ...LIMITS, imageBytes: 1024 * MIB, leasedPerUser: builds, waitingPerUser: builds },
    clock: systemClock,
    log,
  });
  await queue.start({ requests, readers: openConsumerProxy(readers) });
  pool.start();
}

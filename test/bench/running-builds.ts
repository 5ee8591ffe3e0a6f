/**
 * A benchmark, not a test: prints the memory of a queue and of nats-server while builds run, print, store and fetch images. Queue,
 * pool, consumer proxy, NATS, transfers are the real ones; the cloud is simulated, and the agents and clients are in another process
 * (running-builds-load.ts). `npx tsx --expose-gc test/bench/running-builds.ts [BUILDS [IMAGE_MIB [PROFILE_FOLDER]]]`
 */
import { fork } from "node:child_process";
import { on, once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsConnection } from "nats";
import { systemClock } from "../../lib/core/clock.ts";
import { createLogger } from "../../lib/core/log.ts";
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
import { startTestNats, type TestNats } from "../support/nats/nats.ts";
import { LabCloud } from "../support/queue/lab-cloud.ts";
import { LIMITS } from "../support/queue/queue-process.ts";
import type { FromLoad, ToLoad } from "./running-builds-load.ts";

const MIB = 2 ** 20;
const [builds = 60, imageMib = 4] = process.argv.slice(2, 4).map(Number);
const profiles = process.argv[4];

/** A port that was free a moment ago, for the profiler of nats-server. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return address !== null && typeof address === "object" ? address.port : 0;
}

/** nats-server with its profiler on `port`, which only the command line can switch on for an address of this machine. */
function profiled(port: number): string {
  const program = join(tmpdir(), `nats-server-profiled-${process.pid}`);
  const real = process.env.NATS_SERVER ?? "nats-server";
  process.on("exit", () => rmSync(program, { force: true }));
  writeFileSync(program, `#!/bin/sh\nexec ${real} "$@" --profile ${port}\n`, { mode: 0o755 });
  return program;
}

const SAMPLE_MS = 50;

const memoryOf = (pid: number): Record<string, number> =>
  Object.fromEntries(
    [...readFileSync(`/proc/${pid}/status`, "utf8").matchAll(/^(VmHWM|VmRSS|RssAnon):\s+(\d+) kB$/gm)].map(
      ([, name = "", kib]) => [name, Math.round(Number(kib) / 1024)],
    ),
  );

const inMib = (memory: NodeJS.MemoryUsage): string =>
  Object.entries(memory)
    .map(([name, bytes]) => `${name} ${Math.round(bytes / MIB)}`)
    .join(", ");

class Reporter {
  readonly #natsPid: number;
  readonly #profilePort: number;

  constructor(natsPid: number, profilePort: number) {
    this.#natsPid = natsPid;
    this.#profilePort = profilePort;
    setInterval(() => {
      const now = process.memoryUsage();
      if (now.rss > this.peak.rss) this.peak = now;
    }, SAMPLE_MS);
  }

  /** The highest memory of the queue since the last report, of samples at intervals. */
  peak = process.memoryUsage();
  /** One line for each program, and the heap profile of nats-server into a file. */
  async report(phase: string): Promise<void> {
    const { peak } = this;
    this.peak = process.memoryUsage();
    globalThis.gc?.();
    console.log(phase.padEnd(10), "queue, highest      ", inMib(peak));
    console.log(phase.padEnd(10), "queue, after a GC   ", inMib(process.memoryUsage()));
    console.log(phase.padEnd(10), "nats-server         ", JSON.stringify(memoryOf(this.#natsPid)));
    if (profiles === undefined) return;
    const profile = await fetch(`http://127.0.0.1:${this.#profilePort}/debug/pprof/heap?debug=1`);
    writeFileSync(join(profiles, `nats-${phase}.txt`), await profile.text());
  }
}

/** A queue as lib/queue/daemon.ts wires it, with a simulated cloud. */
async function startQueue(nats: TestNats, onCreate: (builder: string) => void): Promise<void> {
  const log = createLogger({ name: "bench", level: "error" });
  const [nc, requests, readers] = (await Promise.all([nats.core(), nats.core(), nats.core()])) as [
    NatsConnection,
    NatsConnection,
    NatsConnection,
  ];
  const { provider } = new LabCloud().killableProvider();
  const create = async (spec: BuilderSpec) => {
    await provider.create(spec, new AbortController().signal);
    onCreate(spec.builder);
  };
  const policy = poolPolicy({ pool: "p", reserveTarget: 2, totalMax: builds + 2 });
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
  const options = { replicas: 1, maxBytes: 64 * MIB, health };
  const keys = await openKvStore(nc, { ...options, bucket: "cb-builds" });
  const recipeKeys = await openKvStore(nc, { ...options, bucket: "cb-recipes" });
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
    issuer: nats.issuer,
    images: new Images({ registries: [], clock: systemClock, log }),
    plainHttpRegistries: [],
    limits: { ...LIMITS, imageBytes: 1024 * MIB, leasedPerUser: builds, waitingPerUser: builds },
    clock: systemClock,
    log,
  });
  await queue.start({ requests, readers: openConsumerProxy(readers) });
  pool.start();
}

const port = await freePort();
const nats = await startTestNats({ server: { natsServerPath: profiled(port), pingIntervalMs: 60_000 } });
const pidFile = readFileSync(join(nats.installation.folder, "..", "data", "nats-server.pid"), "utf8");
const reporter = new Reporter(Number(pidFile), port);
const load = fork(new URL("running-builds-load.ts", import.meta.url), [nats.installation.folder, nats.url], {
  execArgv: process.execArgv.filter((argument) => argument !== "--expose-gc"),
});
const tell = (message: ToLoad) => load.send(message);
await startQueue(nats, (builder) => tell({ kind: "machine", builder }));
await reporter.report("idle");
tell({ kind: "start", builds, imageBytes: imageMib * MIB });
for await (const [message] of on(load, "message")) {
  const { phase } = message as FromLoad;
  await reporter.report(phase);
  if (phase === "ended") break;
  tell({ kind: "next" });
}
process.exit(0);

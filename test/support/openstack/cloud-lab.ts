/** A pool on the testbed's OpenStack, and agents that ask for its machines, which run nothing. It looks at what may never be. */
import { setTimeout as delay } from "node:timers/promises";
import type { NatsConnection } from "nats";
import { systemClock } from "../../../lib/core/clock.ts";
import { createLogger } from "../../../lib/core/log.ts";
import { openPool } from "../../../lib/pool/open.ts";
import type { Pool } from "../../../lib/pool/pool.ts";
import { type PoolPolicy, poolPolicy } from "../../../lib/pool/reconciler/policy.ts";
import type { Provider } from "../../../lib/provider/provider.ts";
import { Box } from "../../openstack/testbed/box.ts";
import { type PlainNats, startPlainNats } from "../nats/plain-nats.ts";
import { killable } from "../queue/killable-provider.ts";
import { type Listings, OpenStackApi } from "./openstack-api.ts";
import { testbedProvider } from "./testbed-provider.ts";
import { untilCloud } from "./until-cloud.ts";

export const RESERVE = 5;
/** The reserve, and room for what is on its way out while its successor is made. */
const MOST = 8;
/** nova's services take seconds on two busy cores; what is lost is believed lost sooner than at a site, so that tests end. */
const PATIENCE: Partial<PoolPolicy> = {
  bootTimeoutMs: 60_000,
  silenceTimeoutMs: 60_000,
  relistMs: 2_000,
  backoff: { firstMs: 1_000, maxMs: 5_000 },
  provenMs: 3_000,
  createGraceMs: 60_000,
};
const ASK_MS = 1_000;
const LOOK_LIMIT_MS = 60_000;
const SETTLE_MS = 240_000;

export interface LabOptions {
  readonly installation: string;
  readonly policy?: Partial<PoolPolicy>;
  /** Default: keystone itself; a proxy's, where calls are counted or treated. */
  readonly authUrl?: string;
}

export class CloudLab {
  readonly box = Box.ofTests();
  /** Of the project that owns the builders, and of the administrator. */
  readonly demo: OpenStackApi;
  readonly admin: OpenStackApi;
  /** What was there before the pool. */
  readonly before: Listings;
  readonly #options: LabOptions;
  readonly #nats: PlainNats;
  readonly #agents = new Set<string>();
  readonly #eyes: Provider;
  #queue: { readonly pool: Pool; readonly nc: NatsConnection; readonly kill: () => void } | undefined;
  readonly #dead: Promise<void>[] = [];
  /** The look that is under way. */
  #looking: Promise<void> | undefined;
  /** The most machines that were ever seen at once. */
  mostSeen = 0;

  private constructor(
    options: LabOptions,
    parts: { nats: PlainNats; demo: OpenStackApi; admin: OpenStackApi; before: Listings; eyes: Provider },
  ) {
    this.#options = options;
    this.#nats = parts.nats;
    this.#eyes = parts.eyes;
    this.demo = parts.demo;
    this.admin = parts.admin;
    this.before = parts.before;
  }

  static async start(options: LabOptions): Promise<CloudLab> {
    const [demo, admin] = await Promise.all([OpenStackApi.login("demo"), OpenStackApi.login("admin")]);
    await admin.setInstanceQuota(demo.projectId, -1);
    const before = await demo.listings();
    const eyes = testbedProvider({ installation: options.installation });
    const lab = new CloudLab(options, { nats: await startPlainNats(), demo, admin, before, eyes });
    await lab.startQueue();
    return lab;
  }

  get pool(): Pool {
    if (this.#queue === undefined) throw new Error("no queue runs");
    return this.#queue.pool;
  }

  /** A process of the queue, after the one before was killed. */
  async startQueue(): Promise<void> {
    const nc = await this.#nats.connect("core", { reconnect: false });
    const { installation, authUrl, policy } = this.#options;
    const cloud = testbedProvider({ installation, ...(authUrl !== undefined && { authUrl }) });
    const { provider, kill } = killable(cloud);
    const pool = await openPool({
      nc,
      replicas: 1,
      provider,
      policy: poolPolicy({ pool: "lab", reserveTarget: RESERVE, totalMax: MOST, ...PATIENCE, ...policy }),
      installation,
      userDataFor: async (builder) => JSON.stringify({ builder }),
      clock: systemClock,
      log: createLogger({ name: "lab", level: process.env.LAB_LOG === undefined ? "silent" : "debug" }),
    });
    this.#queue = { pool, nc, kill };
    pool.setListening(true);
    pool.start();
  }

  /** SIGKILL in the middle of whatever it does: none of its calls returns any more, none of its writes is made. */
  async killQueue(): Promise<void> {
    const queue = this.#queue;
    this.#queue = undefined;
    queue?.kill();
    await queue?.nc.close();
    // A process that is killed has no loop that goes on; this one's can do nothing any more, and ends.
    if (queue !== undefined) this.#dead.push(queue.pool.stop());
  }

  /** Agents ask while it is awaited. Throws with the pool's own words after `limitMs`. */
  async until(what: string, holds: () => boolean | Promise<boolean>, limitMs = SETTLE_MS): Promise<void> {
    const startedMs = performance.now();
    while (!(await holds())) {
      if (performance.now() - startedMs > limitMs) {
        throw new Error(`waited ${limitMs / 1000} s in vain: ${what}\n${JSON.stringify(this.pool.status(), null, 1)}`);
      }
      await this.#ask();
      await delay(ASK_MS);
    }
    console.log(`${what}: ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  }

  /** Agents ask, and that is all. */
  async pass(ms: number): Promise<void> {
    const endMs = performance.now() + ms;
    while (performance.now() < endMs) {
      await this.#ask();
      await delay(ASK_MS);
    }
  }

  /** The whole reserve is ready, and in nova there is nothing of ours besides. */
  async untilSettled(what: string, limitMs?: number): Promise<void> {
    await this.until(what, () => this.#isSettled(), limitMs);
  }

  async #isSettled(): Promise<boolean> {
    const ready = this.pool.readyBuilders().map(({ builder }) => builder);
    const target = this.#options.policy?.reserveTarget ?? RESERVE;
    if (ready.length !== target || this.pool.leases().length > 0) return false;
    const { machines, complete } = await this.#eyes.listMachines(AbortSignal.timeout(LOOK_LIMIT_MS));
    return complete && machines.length === target && machines.every(({ builder }) => ready.includes(builder));
  }

  /** How many of the project's servers are in that status. */
  async count(status: "BUILD" | "ERROR"): Promise<number> {
    return (await this.demo.servers()).filter((server) => server.status === status).length;
  }

  /** One build comes and goes: a builder of the reserve is leased and given back, to be destroyed. */
  async useOne(): Promise<void> {
    const [first] = this.pool.readyBuilders();
    if (first === undefined) throw new Error("the reserve is empty");
    const leased = await this.pool.lease(first.builder, crypto.randomUUID());
    if (!leased) throw new Error(`${first.builder} could not be leased`);
    await this.pool.release(first.builder, "the build has ended");
  }

  /** Every machine that was ever running asks, whatever the cloud says meanwhile, or does not; one that is gone asks no more. */
  async #ask(): Promise<void> {
    this.#looking ??= this.#look()
      .catch(() => undefined)
      .finally(() => {
        this.#looking = undefined;
      });
    for (const builder of this.#agents) {
      const heard = await this.pool.heartbeat(builder, "idle");
      if (!heard.alive) this.#agents.delete(builder);
    }
  }

  async #look(): Promise<void> {
    const { machines, complete } = await this.#eyes.listMachines(AbortSignal.timeout(LOOK_LIMIT_MS));
    if (!complete) return;
    this.mostSeen = Math.max(this.mostSeen, machines.length);
    const running = new Set(machines.filter(({ status }) => status === "running").map(({ builder }) => builder));
    for (const builder of this.#agents) if (!running.has(builder)) this.#agents.delete(builder);
    for (const builder of running) this.#agents.add(builder);
  }

  /** Ends the pool and then destroys what it has made; resolves when that is gone. */
  async empty(): Promise<void> {
    await this.#queue?.pool.stop();
    await this.#queue?.nc.close();
    this.#queue = undefined;
    await this.#looking;
    const asked = new Set<string>();
    await untilCloud("everything is gone", async () => {
      const { machines, complete } = await this.#eyes.listMachines(AbortSignal.timeout(LOOK_LIMIT_MS));
      const left = machines.map(({ builder }) => builder);
      for (const builder of left.filter((id) => !asked.has(id))) {
        asked.add(builder);
        await this.#eyes.destroy(builder, AbortSignal.timeout(LOOK_LIMIT_MS));
      }
      return complete && left.length === 0;
    });
  }

  /** Also after a test that failed: the next file finds no faults and nothing of this one. */
  async stop(): Promise<void> {
    await this.box.setFaults([]);
    await this.admin.setInstanceQuota(this.demo.projectId, -1);
    await this.empty();
    await Promise.all(this.#dead);
    await this.#nats.stop();
  }
}

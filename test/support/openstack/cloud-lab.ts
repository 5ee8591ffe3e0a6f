/** A pool on the testbed's OpenStack, with simulated agents on its machines, and a second provider that observes them. */
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
/** The reserve, and three more for machines that are being destroyed while their replacements are created. */
const TOTAL_MAX = 8;
/** Shorter limits than at a site, so that tests end. nova's services take seconds on two loaded cores. */
const POLICY: Partial<PoolPolicy> = {
  bootTimeoutMs: 60_000,
  silenceTimeoutMs: 60_000,
  relistMs: 2_000,
  backoff: { firstMs: 1_000, maxMs: 5_000 },
  provenMs: 3_000,
  createGraceMs: 60_000,
};
const HEARTBEAT_MS = 1_000;
const CALL_LIMIT_MS = 60_000;
const SETTLE_MS = 240_000;

export interface LabOptions {
  readonly installation: string;
  readonly policy?: Partial<PoolPolicy>;
  /** Default: keystone. A test that counts or changes calls passes the address of its OpenStackProxy. */
  readonly authUrl?: string;
}

export class CloudLab {
  readonly box = Box.ofTests();
  /** The API with the login of the project that owns the builders. */
  readonly demo: OpenStackApi;
  /** The API with the login of the administrator. */
  readonly admin: OpenStackApi;
  /** The listings before the pool was started. */
  readonly before: Listings;
  readonly #options: LabOptions;
  readonly #nats: PlainNats;
  readonly #agents = new Set<string>();
  readonly #observer: Provider;
  #queue: { readonly pool: Pool; readonly nc: NatsConnection; readonly kill: () => void } | undefined;
  readonly #killed: Promise<void>[] = [];
  /** The observation in flight. */
  #observing: Promise<void> | undefined;
  /** The largest number of machines in one listing. */
  maxObserved = 0;

  private constructor(
    options: LabOptions,
    parts: { nats: PlainNats; demo: OpenStackApi; admin: OpenStackApi; before: Listings; observer: Provider },
  ) {
    this.#options = options;
    this.#nats = parts.nats;
    this.#observer = parts.observer;
    this.demo = parts.demo;
    this.admin = parts.admin;
    this.before = parts.before;
  }

  static async start(options: LabOptions): Promise<CloudLab> {
    const [demo, admin] = await Promise.all([OpenStackApi.login("demo"), OpenStackApi.login("admin")]);
    await admin.setInstanceQuota(demo.projectId, -1);
    const before = await demo.listings();
    const observer = testbedProvider({ installation: options.installation });
    const lab = new CloudLab(options, { nats: await startPlainNats(), demo, admin, before, observer });
    await lab.startQueue();
    return lab;
  }

  get pool(): Pool {
    if (this.#queue === undefined) throw new Error("no queue runs");
    return this.#queue.pool;
  }

  /** Starts the pool as a new process of the queue would, after the previous one was killed. */
  async startQueue(): Promise<void> {
    const nc = await this.#nats.connect("core", { reconnect: false });
    const { installation, authUrl, policy } = this.#options;
    const cloud = testbedProvider({ installation, ...(authUrl !== undefined && { authUrl }) });
    const { provider, kill } = killable(cloud);
    const pool = await openPool({
      nc,
      replicas: 1,
      provider,
      policy: poolPolicy({ pool: "lab", reserveTarget: RESERVE, totalMax: TOTAL_MAX, ...POLICY, ...policy }),
      installation,
      userDataFor: async (builder) => JSON.stringify({ builder }),
      clock: systemClock,
      log: createLogger({ name: "lab", level: process.env.LAB_LOG === undefined ? "silent" : "debug" }),
    });
    this.#queue = { pool, nc, kill };
    pool.setListening(true);
    pool.start();
  }

  /** Simulates SIGKILL: from now on no call of the pool returns, and no write reaches NATS. */
  async killQueue(): Promise<void> {
    const queue = this.#queue;
    this.#queue = undefined;
    queue?.kill();
    await queue?.nc.close();
    // In a killed process the loop would stop at once. Here it ends at its next step, without any effect.
    if (queue !== undefined) this.#killed.push(queue.pool.stop());
  }

  /** Sends heartbeats until `holds` returns true. Throws with the pool's status after `limitMs`. */
  async until(condition: string, holds: () => boolean | Promise<boolean>, limitMs = SETTLE_MS): Promise<void> {
    const startedMs = performance.now();
    while (!(await holds())) {
      if (performance.now() - startedMs > limitMs) {
        const status = JSON.stringify(this.pool.status(), null, 1);
        throw new Error(`not reached within ${limitMs / 1000} s: ${condition}\n${status}`);
      }
      await this.#sendHeartbeats();
      await delay(HEARTBEAT_MS);
    }
    console.log(`${condition}: ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  }

  /** Sends heartbeats for `ms`. */
  async pass(ms: number): Promise<void> {
    const endMs = performance.now() + ms;
    while (performance.now() < endMs) {
      await this.#sendHeartbeats();
      await delay(HEARTBEAT_MS);
    }
  }

  /** Waits until the whole reserve is ready, and nova lists no other machine of this installation. */
  async untilSettled(condition: string, limitMs?: number): Promise<void> {
    await this.until(condition, () => this.#isSettled(), limitMs);
  }

  async #isSettled(): Promise<boolean> {
    const ready = this.pool.readyBuilders().map(({ builder }) => builder);
    const target = this.#options.policy?.reserveTarget ?? RESERVE;
    if (ready.length !== target || this.pool.leases().length > 0) return false;
    const { machines, complete } = await this.#observer.listMachines(AbortSignal.timeout(CALL_LIMIT_MS));
    return complete && machines.length === target && machines.every(({ builder }) => ready.includes(builder));
  }

  /** The number of the project's servers with that status. */
  async count(status: "BUILD" | "ERROR"): Promise<number> {
    return (await this.demo.servers()).filter((server) => server.status === status).length;
  }

  /** Simulates one build: leases a builder of the reserve and releases it, so that the pool destroys it. */
  async useOne(): Promise<void> {
    const [first] = this.pool.readyBuilders();
    if (first === undefined) throw new Error("the reserve is empty");
    const leased = await this.pool.lease(first.builder, crypto.randomUUID());
    if (!leased) throw new Error(`${first.builder} could not be leased`);
    await this.pool.release(first.builder, "the build has ended");
  }

  /** Every machine that was observed running sends heartbeats, also while the cloud is down, until it is observed gone. */
  async #sendHeartbeats(): Promise<void> {
    this.#observing ??= this.#observe()
      .catch(() => undefined)
      .finally(() => {
        this.#observing = undefined;
      });
    for (const builder of this.#agents) {
      const result = await this.pool.heartbeat(builder, "idle");
      if (!result.alive) this.#agents.delete(builder);
    }
  }

  async #observe(): Promise<void> {
    const { machines, complete } = await this.#observer.listMachines(AbortSignal.timeout(CALL_LIMIT_MS));
    if (!complete) return;
    this.maxObserved = Math.max(this.maxObserved, machines.length);
    const running = new Set(machines.filter(({ status }) => status === "running").map(({ builder }) => builder));
    for (const builder of this.#agents) if (!running.has(builder)) this.#agents.delete(builder);
    for (const builder of running) this.#agents.add(builder);
  }

  /** Stops the pool and destroys its machines. Resolves when nova lists none of them. */
  async empty(): Promise<void> {
    await this.#queue?.pool.stop();
    await this.#queue?.nc.close();
    this.#queue = undefined;
    await this.#observing;
    const requested = new Set<string>();
    await untilCloud("no machine is listed", async () => {
      const { machines, complete } = await this.#observer.listMachines(AbortSignal.timeout(CALL_LIMIT_MS));
      const left = machines.map(({ builder }) => builder);
      for (const builder of left.filter((id) => !requested.has(id))) {
        requested.add(builder);
        await this.#observer.destroy(builder, AbortSignal.timeout(CALL_LIMIT_MS));
      }
      return complete && left.length === 0;
    });
  }

  /** Removes faults, quotas and machines, also after a failed test, so that the next file starts with a clean testbed. */
  async stop(): Promise<void> {
    await this.box.setFaults([]);
    await this.admin.setInstanceQuota(this.demo.projectId, -1);
    await this.empty();
    await Promise.all(this.#killed);
    await this.#nats.stop();
  }
}

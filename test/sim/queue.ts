/**
 * The simulated surroundings of a pool: agents that send requests, builds that are reserved, run and end, and a queue
 * that can be killed at any call and started again. It records each violation of an invariant.
 */

import type { Clock } from "../../lib/core/clock.ts";
import { CbError } from "../../lib/core/errors.ts";
import { createLogger } from "../../lib/core/log.ts";
import type { KvStore } from "../../lib/nats/jetstream/kv.ts";
import { Pool } from "../../lib/pool/pool.ts";
import { type PoolPolicy, poolPolicy } from "../../lib/pool/reconciler/policy.ts";
import { parseRecord } from "../../lib/pool/state/record.ts";
import type { Provider } from "../../lib/provider/provider.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SimCloud } from "./cloud.ts";
import { SimKeys } from "./keys.ts";
import { Random } from "./random.ts";

const INSTALLATION = "sim";
const log = createLogger({ name: "sim", level: "silent" });
const forever = new Promise<never>(() => {});

/** One process of the queue. It is killed at its call to NATS or the cloud number `callsLeft`, as `lastCall` tells. */
interface Process {
  alive: boolean;
  callsLeft: number;
  readonly lastCall: "unsent" | "unanswered";
}

export interface Death {
  readonly atCall: number;
  readonly lastCall: Process["lastCall"];
}

const NEVER_KILLED: Death = { atCall: Number.POSITIVE_INFINITY, lastCall: "unsent" };

export class SimWorld {
  readonly clock = new ManualClock(1_000_000);
  readonly random: Random;
  readonly cloud: SimCloud;
  readonly builderKeys: SimKeys;
  readonly slotKeys: SimKeys;
  readonly policy: PoolPolicy;
  readonly violations: string[] = [];
  readonly counts = { created: 0, leased: 0, lost: 0, killed: 0 };
  /** builder → build, from the confirmation of the lease until the queue decides to release it. */
  readonly running = new Map<string, string>();
  waiting: string[] = [];
  pool: Pool | undefined;
  #process: Process = processWith(NEVER_KILLED);
  #leasing = new Set<string>();

  constructor(seed: number, changes: Partial<PoolPolicy> = {}) {
    this.random = new Random(seed);
    const { clock, random } = this;
    const events = {
      created: () => this.#checkMachines(),
      destroyed: (builder: string) => this.#checkDestroyed(builder),
    };
    this.cloud = new SimCloud(clock, random, events);
    this.builderKeys = new SimKeys(clock, random);
    this.slotKeys = new SimKeys(clock, random);
    const totalMax = random.between(2, 8);
    this.policy = poolPolicy({
      pool: "p",
      totalMax,
      reserveTarget: random.between(1, totalMax),
      maxReadyAgeMs: 20 * 60_000,
      ...changes,
    });
  }

  setFaultRate(probability: number): void {
    this.cloud.faultRate = probability;
    for (const keys of [this.builderKeys, this.slotKeys]) {
      keys.refuses = probability / 4;
      keys.losesReply = probability / 4;
    }
  }

  get alive(): boolean {
    return this.#process.alive;
  }

  /** Repeats the start until it succeeds, as a service manager does. */
  async startQueue(death: Death = NEVER_KILLED): Promise<void> {
    const process = processWith(death);
    this.#process = process;
    const clock = clockUntilKilled(this.clock, process);
    for (;;) {
      try {
        const pool = await this.#openPool(process, clock);
        if (!process.alive) return;
        pool.onLost(({ builder, build }) => void this.#lose(pool, builder, build));
        this.pool = pool;
        for (const { builder, build } of pool.leases()) {
          if (this.running.get(builder) !== build) void this.#release(pool, builder, "unknown lease");
        }
        pool.setListening(true);
        pool.setWaiting(this.waiting.length);
        return pool.start();
      } catch (error) {
        if (!(error instanceof CbError) || error.kind !== "infrastructure") throw error;
        await clock.sleep(1_000);
      }
    }
  }

  /** SIGKILL: the process receives no further reply; calls already sent take effect. */
  kill(): void {
    this.#process.alive = false;
    this.pool = undefined;
    this.#leasing.clear();
    this.counts.killed++;
  }

  /** Sends a request of each awake machine's agent, and leases each ready builder. Called once per simulated second. */
  tick(second: number): void {
    for (const { builder, awake } of this.cloud.machines.values()) {
      if (awake && (second + builder.charCodeAt(0)) % 10 === 0) void this.#sendHeartbeat(builder);
    }
    const { pool } = this;
    if (!pool) return;
    pool.setWaiting(this.waiting.length);
    for (const { builder } of pool.readyBuilders()) {
      const build = this.waiting.find((waiting) => !this.#leasing.has(waiting));
      if (build && !this.#leasing.has(builder)) void this.#lease(pool, builder, build);
    }
    this.#checkRecords();
  }

  async #openPool(process: Process, clock: Clock): Promise<Pool> {
    const { random, policy } = this;
    return Pool.open({
      builderKeys: untilKilled(this.builderKeys, process),
      slotKeys: untilKilled(this.slotKeys, process),
      journal: { publish: () => this.pool?.wake("event"), flush: async () => {} },
      events: () => () => {},
      provider: untilKilled<Provider>(this.cloud, process),
      policy,
      installation: INSTALLATION,
      userDataFor: async () => "{}",
      clock,
      log,
      newId: () => random.uuid(),
    });
  }

  async #sendHeartbeat(builder: string): Promise<void> {
    await this.clock.sleep(this.random.between(0, 900));
    const { pool } = this;
    const result = await pool?.heartbeat(builder, this.running.has(builder) ? "busy" : "idle");
    // The reply to the lease was lost: the builder is leased, but the queue has no build on it.
    const isStray =
      result?.alive && result.state === "leased" && !this.#leasing.has(builder) && !this.running.has(builder);
    if (isStray) await this.#release(pool, builder, "stray lease");
  }

  async #lease(pool: Pool, builder: string, build: string): Promise<void> {
    this.#leasing.add(builder).add(build);
    const won = await pool.lease(builder, build).catch(() => false);
    this.#leasing.delete(builder);
    this.#leasing.delete(build);
    if (!won) return;
    if (this.running.has(builder)) this.violations.push(`${builder} leased twice`);
    this.running.set(builder, build);
    this.counts.leased++;
    this.waiting = this.waiting.filter((waiting) => waiting !== build);
    await this.clock.sleep(this.random.between(1_000, 90_000));
    await this.#release(this.pool, builder, "the build has ended");
  }

  async #lose(pool: Pool, builder: string, build: string): Promise<void> {
    if (this.running.get(builder) === build) this.counts.lost++;
    await this.#release(pool, builder, "lost");
  }

  /** Repeats the release until it is stored. A queue that is killed meanwhile finds the lease at its next start. */
  async #release(pool: Pool | undefined, builder: string, reason: string): Promise<void> {
    this.running.delete(builder);
    while (pool && pool === this.pool) {
      try {
        return await pool.release(builder, reason);
      } catch {
        await this.clock.sleep(500);
      }
    }
  }

  #checkMachines(): void {
    this.counts.created++;
    const created = [...this.cloud.machines.values()].filter(({ host }) => !host.startsWith("planted"));
    if (created.length > this.policy.totalMax)
      this.violations.push(`${created.length} machines of ${this.policy.totalMax}`);
  }

  #checkDestroyed(builder: string): void {
    if (this.running.has(builder)) this.violations.push(`${builder} destroyed while leased`);
  }

  #checkRecords(): void {
    const records = [...this.builderKeys.entries.values()]
      .filter(({ key }) => key.startsWith("p."))
      .map(({ key, value }) => parseRecord(value, key))
      .filter(({ state }) => state !== "gone");
    if (new Set(records.map(({ slot }) => slot)).size < records.length) this.violations.push("a slot is used twice");
  }
}

/** The same object for a process that may be killed: from then on no call returns. */
function untilKilled<T extends KvStore | Provider>(target: T, process: Process): T {
  return new Proxy(target, {
    get(object, name) {
      const method: unknown = Reflect.get(object, name);
      if (typeof method !== "function") return method;
      return (...args: unknown[]) => {
        if (!process.alive) return forever;
        if (--process.callsLeft <= 0) process.alive = false;
        if (!process.alive && process.lastCall === "unsent") return forever;
        return replyUnlessKilled(Reflect.apply(method, object, args), process);
      };
    },
  });
}

function processWith({ atCall, lastCall }: Death): Process {
  return { alive: true, callsLeft: atCall, lastCall };
}

async function replyUnlessKilled(result: Promise<unknown>, process: Process): Promise<unknown> {
  try {
    const value = await result;
    return process.alive ? value : forever;
  } catch (error) {
    if (process.alive) throw error;
    return forever;
  }
}

function clockUntilKilled(clock: Clock, process: Process): Clock {
  return {
    nowMs: () => clock.nowMs(),
    sleep: (ms, signal) => clock.sleep(ms, signal).then(() => (process.alive ? undefined : forever)),
  };
}

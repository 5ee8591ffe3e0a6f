/**
 * A small world around the pool: agents that ask, builds that come, run and end, and a queue that can be killed at any
 * point and started again. It watches what must never happen.
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

/** Of one process. `callsLeft` counts its calls to NATS and the cloud; at zero it dies, at `lastCall`. */
interface Life {
  alive: boolean;
  callsLeft: number;
  readonly lastCall: "unsent" | "unanswered";
}

export interface Death {
  readonly atCall: number;
  readonly lastCall: Life["lastCall"];
}

const IMMORTAL: Death = { atCall: Number.POSITIVE_INFINITY, lastCall: "unsent" };

export class World {
  readonly clock = new ManualClock(1_000_000);
  readonly random: Random;
  readonly cloud: SimCloud;
  readonly builderKeys: SimKeys;
  readonly slotKeys: SimKeys;
  readonly policy: PoolPolicy;
  readonly violations: string[] = [];
  readonly counts = { created: 0, leased: 0, lost: 0, killed: 0 };
  /** builder → build, from the moment a lease was confirmed until the queue decided to release it. */
  readonly running = new Map<string, string>();
  waiting: string[] = [];
  pool: Pool | undefined;
  #life: Life = lifeUntil(IMMORTAL);
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

  setTrouble(probability: number): void {
    this.cloud.trouble = probability;
    for (const keys of [this.builderKeys, this.slotKeys]) {
      keys.refuses = probability / 4;
      keys.losesReply = probability / 4;
    }
  }

  get alive(): boolean {
    return this.#life.alive;
  }

  /** Tries until it stands, as a supervisor does. */
  async startQueue(death: Death = IMMORTAL): Promise<void> {
    const life = lifeUntil(death);
    this.#life = life;
    const clock = mortalClock(this.clock, life);
    for (;;) {
      try {
        const pool = await this.#openPool(life, clock);
        if (!life.alive) return;
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

  /** SIGKILL: whatever it was waiting for never comes back to it, what it sent takes effect. */
  kill(): void {
    this.#life.alive = false;
    this.pool = undefined;
    this.#leasing.clear();
    this.counts.killed++;
  }

  /** Each machine that is awake asks, each ready builder gets a build. Called once a simulated second. */
  tick(second: number): void {
    for (const { builder, awake } of this.cloud.machines.values()) {
      if (awake && (second + builder.charCodeAt(0)) % 10 === 0) void this.#ask(builder);
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

  async #openPool(life: Life, clock: Clock): Promise<Pool> {
    const { random, policy } = this;
    return Pool.open({
      builderKeys: mortal(this.builderKeys, life),
      slotKeys: mortal(this.slotKeys, life),
      journal: { publish: () => this.pool?.wake("event"), flush: async () => {} },
      events: () => () => {},
      provider: mortal<Provider>(this.cloud, life),
      policy,
      installation: INSTALLATION,
      userDataFor: async () => "{}",
      clock,
      log,
      newId: () => random.uuid(),
    });
  }

  async #ask(builder: string): Promise<void> {
    await this.clock.sleep(this.random.between(0, 900));
    const { pool } = this;
    const heard = await pool?.heartbeat(builder, this.running.has(builder) ? "busy" : "idle");
    // A lease whose reply was lost: its agent asks, and the queue knows of no such build on it.
    const stray = heard?.alive && heard.state === "leased" && !this.#leasing.has(builder) && !this.running.has(builder);
    if (stray) await this.#release(pool, builder, "stray lease");
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

  /** Tries until it is written; a queue that dies meanwhile finds the lease when it starts again. */
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
    const ours = [...this.cloud.machines.values()].filter(({ host }) => !host.startsWith("planted"));
    if (ours.length > this.policy.totalMax) this.violations.push(`${ours.length} machines of ${this.policy.totalMax}`);
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

/** The same thing for a process that may die: then no call comes back. */
function mortal<T extends KvStore | Provider>(target: T, life: Life): T {
  return new Proxy(target, {
    get(object, name) {
      const method: unknown = Reflect.get(object, name);
      if (typeof method !== "function") return method;
      return (...args: unknown[]) => {
        if (!life.alive) return forever;
        if (--life.callsLeft <= 0) life.alive = false;
        if (!life.alive && life.lastCall === "unsent") return forever;
        return afterLife(Reflect.apply(method, object, args), life);
      };
    },
  });
}

function lifeUntil({ atCall, lastCall }: Death): Life {
  return { alive: true, callsLeft: atCall, lastCall };
}

async function afterLife(result: Promise<unknown>, life: Life): Promise<unknown> {
  try {
    const value = await result;
    return life.alive ? value : forever;
  } catch (error) {
    if (life.alive) throw error;
    return forever;
  }
}

function mortalClock(clock: Clock, life: Life): Clock {
  return {
    nowMs: () => clock.nowMs(),
    sleep: (ms, signal) => clock.sleep(ms, signal).then(() => (life.alive ? undefined : forever)),
  };
}

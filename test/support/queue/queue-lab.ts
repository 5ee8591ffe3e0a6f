/**
 * A whole queue on a real NATS, with a cloud whose machines go when the test lets them, agents that say what the test
 * makes them say, and a clock that moves only while the test waits: forty seconds of silence pass in half a second.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as realSleep } from "node:timers/promises";
import type { KV, NatsConnection } from "nats";
import { CbError } from "../../../lib/core/errors.ts";
import { createLogger } from "../../../lib/core/log.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { type KvStore, openKvStore } from "../../../lib/nats/jetstream/kv.ts";
import { call } from "../../../lib/nats/rpc/client.ts";
import { openPool } from "../../../lib/pool/open.ts";
import type { Pool } from "../../../lib/pool/pool.ts";
import { poolPolicy } from "../../../lib/pool/reconciler/policy.ts";
import type { BuildState, ReserveReply, ReserveRequest } from "../../../lib/protocol/build-messages.ts";
import { cancel, reserve } from "../../../lib/protocol/requests.ts";
import { buildStream, subjects } from "../../../lib/protocol/subjects.ts";
import { Images } from "../../../lib/queue/api/images.ts";
import { Builds } from "../../../lib/queue/builds/builds.ts";
import type { BuildRecord } from "../../../lib/queue/builds/record.ts";
import { BuildStreams } from "../../../lib/queue/builds/streams.ts";
import { ParkedRequests } from "../../../lib/queue/leases/parked-requests.ts";
import type { QueuePorts } from "../../../lib/queue/ports.ts";
import { Queue } from "../../../lib/queue/queue.ts";
import { Users } from "../../../lib/queue/users/users.ts";
import { ManualClock } from "../manual-clock.ts";
import { type Guest, startTestNats, type TestNats } from "../nats/nats.ts";
import { LabAgent } from "./lab-agent.ts";
import { LabCloud } from "./lab-cloud.ts";

const MIB = 1024 * 1024;
export const LOG_BYTES = MIB;
export const POOL = "p";
const log = createLogger({ name: "lab", level: "silent" });

/** A step of the clock, and the real time that NATS has for what it set off. */
const STEP_MS = 1_000;
const STEP_REAL_MS = 10;
/** Agents ask as often as the queue's parking makes them. */
const ASK_MS = 10_000;

/** One process of the queue. */
export interface QueueLife {
  readonly ports: QueuePorts;
  readonly pool: Pool;
  alive(): boolean;
  /** SIGKILL: nothing that it does from here on has any effect. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export class QueueLab {
  readonly clock = new ManualClock(Date.now());
  readonly cloud = new LabCloud();
  readonly agents = new Map<string, LabAgent>();
  readonly bus: TestNats;
  readonly #lives: QueueLife[] = [];
  readonly #core: NatsConnection;
  readonly #users = new Map<string, Promise<Guest>>();
  /** What the agents take for the time: nobody sets the clocks of their machines. */
  #passedMs = 0;
  /** The next change of a build's record to what contains this is written, and its reply is lost. */
  loseReplyTo: string | undefined;
  readonly #beats: KV;

  private constructor(bus: TestNats, core: NatsConnection, beats: KV) {
    this.bus = bus;
    this.#core = core;
    this.#beats = beats;
  }

  static async start(): Promise<QueueLab> {
    const bus = await startTestNats();
    const core = await bus.core();
    const lab = new QueueLab(bus, core, await core.jetstream().views.kv("lab", { history: 1, max_bytes: MIB }));
    await lab.startQueue();
    return lab;
  }

  /** What a test has left: nothing stays stuck, and a queue runs. */
  async tidy(): Promise<void> {
    this.cloud.letGo();
    if (!this.queue.alive()) await this.startQueue();
    for (const { build, state } of this.queue.ports.builds.all()) if (state !== "ended") await this.cancel(build);
  }

  async stop(): Promise<void> {
    // One that was killed hangs for ever in what it was doing.
    if (this.queue.alive()) await this.queue.stop();
    await this.bus.stop();
  }

  get queue(): QueueLife {
    const life = this.#lives.at(-1);
    if (life === undefined) throw new Error("no queue was started");
    return life;
  }

  /** Another process of the queue, after the one before has been killed. Rejects with what keeps it from starting. */
  async startQueue(): Promise<QueueLife> {
    const nc = await this.bus.core({ reconnect: false });
    try {
      return await this.#start(nc);
    } catch (error) {
      await nc.close();
      throw error;
    }
  }

  async #start(nc: NatsConnection): Promise<QueueLife> {
    const facade = this.cloud.facade();
    const pool = await openPool({
      nc,
      replicas: 1,
      provider: facade.provider,
      policy: poolPolicy({ pool: POOL, reserveTarget: 2, totalMax: 6 }),
      installation: "lab",
      userDataFor: async () => "{}",
      clock: this.clock,
      log,
    });
    const ports = await this.#ports(nc, pool);
    const queue = new Queue(ports);
    // Readers have no door in the lab: a test that needs one opens it.
    await queue.start({ questions: nc, readers: { expect: () => undefined } });
    pool.start();
    const end = async () => {
      facade.die();
      ports.parked.clear();
      await nc.close();
    };
    const life = { ports, pool, alive: () => !nc.isClosed(), kill: end, stop: () => this.#stop(queue, pool, end) };
    this.#lives.push(life);
    return life;
  }

  async #stop(queue: Queue, pool: Pool, end: () => Promise<void>): Promise<void> {
    const stopping = Promise.all([queue.stop(), pool.stop()]);
    await end();
    await this.clock.advance(60_000);
    await stopping;
  }

  async #ports(nc: NatsConnection, pool: Pool): Promise<QueuePorts> {
    const keys = await openKvStore(nc, { bucket: "cb-builds", replicas: 1, maxBytes: 8 * MIB });
    const recipeKeys = await openKvStore(nc, { bucket: "cb-recipes", replicas: 1, maxBytes: 8 * MIB });
    return {
      builds: new Builds({ records: this.#losing(keys), recipes: recipeKeys, log }),
      users: await Users.open({ nc, replicas: 1, clock: this.clock, log }),
      streams: new BuildStreams(nc, { replicas: 1, logBytes: LOG_BYTES }),
      pools: new Map([[POOL, pool]]),
      poolKinds: [{ name: POOL, arch: "x86_64" }],
      parked: new ParkedRequests(),
      issuer: this.bus.issuer,
      images: new Images({ registries: [], clock: this.clock, log }),
      plainHttpRegistries: [],
      limits: LIMITS,
      clock: this.clock,
      log,
    };
  }

  #losing(keys: KvStore): KvStore {
    return {
      list: (prefix) => keys.list(prefix),
      names: (prefix) => keys.names(prefix),
      get: (key) => keys.get(key),
      create: (key, value) => keys.create(key, value),
      remove: (key, revision) => keys.remove(key, revision),
      update: async (key, value, revision) => {
        const written = await keys.update(key, value, revision);
        if (this.loseReplyTo === undefined || !value.includes(this.loseReplyTo)) return written;
        this.loseReplyTo = undefined;
        throw new CbError("infrastructure", "the reply is lost");
      },
    };
  }

  /** Lets time pass until it is true, and throws when that takes longer than `limitMs` of the lab's time. */
  async until<T>(what: string, look: () => T | Promise<T>, limitMs = 240_000): Promise<NonNullable<T>> {
    const endMs = this.clock.nowMs() + limitMs;
    for (;;) {
      const found = await look();
      if (found !== undefined && found !== null && found !== false) return found;
      if (this.clock.nowMs() > endMs) {
        const { pool, ports } = this.queue;
        const there = JSON.stringify({
          nowMs: this.clock.nowMs(),
          pool: pool.status(),
          live: ports.builds.all().filter(({ state }) => state !== "ended"),
        });
        throw new Error(`waited ${limitMs} ms of the lab's time in vain: ${what}\n${there}`);
      }
      await this.#step();
    }
  }

  /** As many builders as are wanted are ready, and there is nothing else of theirs. */
  async fullReserve(): Promise<void> {
    await this.until("a full reserve, and nothing else", () => {
      const { reserve, active, booting, destroying, reserveTarget } = this.queue.pool.status();
      return reserve.length === reserveTarget && active.length + booting.length + destroying.length === 0;
    });
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.clock.nowMs() + ms;
    while (this.clock.nowMs() < endMs) await this.#step();
  }

  async #step(): Promise<void> {
    for (const { builder, status } of this.cloud.machines.values()) {
      if (status !== "running" || this.agents.has(builder)) continue;
      this.agents.set(builder, new LabAgent(builder, (await this.bus.builder(builder)).connection));
    }
    for (const agent of this.agents.values())
      if (this.cloud.machines.has(agent.builder)) agent.askEvery(ASK_MS, this.#passedMs);
    this.#passedMs += STEP_MS;
    await this.clock.advance(STEP_MS);
    // Where NATS cannot write, the queue cannot either: its time waits for the disk too.
    await this.#beats.put("step", "");
    await realSleep(STEP_REAL_MS);
  }

  /** The id of a new build. Rejects with what the queue refuses. */
  async reserve(user = "ada", over: Partial<ReserveRequest> = {}): Promise<string> {
    const joining = this.#users.get(user) ?? this.bus.user(user);
    this.#users.set(user, joining);
    const guest = await joining;
    const question = {
      v: 1,
      request: randomUUID(),
      publicKey: createKey("user").publicKey,
      recipe: { backend: "singularity", text: "Bootstrap: scratch\n" },
      name: "image.sif",
      ...over,
    } as const;
    const reply: ReserveReply = await call(reserve, {
      nc: guest.connection,
      principal: user,
      request: question,
      timeoutMs: 10_000,
    });
    return reply.build;
  }

  async cancel(build: string): Promise<void> {
    const user = this.record(build)?.user ?? "";
    const nc = (await this.#users.get(user))?.connection;
    if (nc === undefined) throw new Error(`nobody has reserved ${build}`);
    await call(cancel, {
      nc,
      principal: user,
      request: { v: 1, target: { kind: "build", id: build } },
      timeoutMs: 10_000,
    });
  }

  record(build: string): BuildRecord | undefined {
    return this.queue.ports.builds.get(build);
  }

  /** The agent that has been given this attempt, when it has. */
  agentOf(build: string, attempt: number): LabAgent | undefined {
    return [...this.agents.values()].find(({ lease }) => lease?.build === build && lease.attempt === attempt);
  }

  leased(build: string, attempt: number): Promise<LabAgent> {
    return this.until(`attempt ${attempt} of ${build}`, () => this.agentOf(build, attempt));
  }

  /** What the build's stream holds: states, and logs as text. */
  async told(build: string): Promise<(BuildState | string)[]> {
    const { streams } = await this.#core.jetstreamManager();
    const { state } = await streams.info(buildStream(build));
    const told: (BuildState | string)[] = [];
    for (let seq = 1; seq <= state.last_seq; seq++) {
      const message = await streams.getMessage(buildStream(build), { seq });
      told.push(message.subject === subjects.log(build) ? message.string() : message.json<BuildState>());
    }
    return told;
  }
}

const HOUR_MS = 3_600_000;
export const LIMITS: QueuePorts["limits"] = {
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

/**
 * A lab for the queue: the whole queue on a real NATS, with a simulated cloud, agents that the test controls, and a clock
 * that only moves while the test waits: forty seconds of silence pass in half a second.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as realSleep } from "node:timers/promises";
import type { KV, NatsConnection } from "nats";
import { createSealingKey, type SealingKey } from "../../../lib/core/sealed-box.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { call } from "../../../lib/nats/rpc/client.ts";
import type { BuildState, ReserveReply, ReserveRequest } from "../../../lib/protocol/build-messages.ts";
import { cancel, type RequestDefinition, reserve } from "../../../lib/protocol/requests.ts";
import { buildStream, subjects } from "../../../lib/protocol/subjects.ts";
import type { BuildRecord } from "../../../lib/queue/builds/record.ts";
import type { QueueOptions } from "../../../lib/queue/services.ts";
import { ManualClock } from "../manual-clock.ts";
import { type Guest, startTestNats, type TestNats } from "../nats/nats.ts";
import { LabAgent } from "./lab-agent.ts";
import { LabCloud } from "./lab-cloud.ts";
import { type QueueProcess, startQueueProcess } from "./queue-process.ts";

/** One step of the clock, and the real time in which NATS and the queue handle the events of the step. */
const STEP_MS = 1_000;
const STEP_REAL_MS = 10;
/** Time between two requests of an agent, on the lab's clock. */
const ASK_MS = 10_000;
const REQUEST_TIMEOUT_MS = 10_000;

export class QueueLab {
  readonly clock = new ManualClock(Date.now());
  readonly cloud = new LabCloud();
  readonly agents = new Map<string, LabAgent>();
  readonly nats: TestNats;
  /** Of the next process of the queue. */
  sealingKeys = [createSealingKey()];
  readonly #processes: QueueProcess[] = [];
  readonly #core: NatsConnection;
  readonly #users = new Map<string, Promise<Guest>>();
  /** Time on the agents' machines: setting the queue's clock does not change it. */
  #passedMs = 0;
  /** The next write of a build's record that contains this text is done, and its reply is lost. */
  loseReplyTo: string | undefined;
  /** The queue is killed when the next write of a build's record or of a claim that matches is done, before it gets the reply. */
  killAfter: RegExp | undefined;
  /** The replies to that many reads of builds' records are lost. */
  loseReads = 0;
  /** Of the next process of the queue. */
  quotas: QueueOptions["quotas"] = { users: {} };
  readonly #steps: KV;

  private constructor(nats: TestNats, core: NatsConnection, steps: KV) {
    this.nats = nats;
    this.#core = core;
    this.#steps = steps;
  }

  static async start(): Promise<QueueLab> {
    const nats = await startTestNats();
    const core = await nats.core();
    const lab = new QueueLab(nats, core, await core.jetstream().views.kv("lab", { history: 1, max_bytes: 1024 ** 2 }));
    await lab.startQueue();
    return lab;
  }

  /** After a test: ends stuck deletions and all live builds, and starts the queue if the test has killed it. */
  async tidy(): Promise<void> {
    this.cloud.finishDeletions();
    if (!this.queue.isRunning()) await this.startQueue();
    for (const { build, state } of this.queue.builds.all()) if (state !== "ended") await this.cancel(build);
  }

  async stop(): Promise<void> {
    // A killed process never resolves its last call, so its stop() would not return.
    if (this.queue.isRunning()) await this.queue.stop();
    await this.nats.stop();
  }

  /** The queue's newest. */
  get sealingKey(): SealingKey {
    const [newest] = this.sealingKeys;
    if (newest === undefined) throw new Error("the queue has no sealing key");
    return newest;
  }

  get queue(): QueueProcess {
    const newest = this.#processes.at(-1);
    if (newest === undefined) throw new Error("no queue was started");
    return newest;
  }

  /** Another process of the queue, after the one before was killed. Rejects with the error that keeps it from starting. */
  async startQueue(): Promise<QueueProcess> {
    const { clock, cloud, sealingKeys } = this;
    const { issuer } = this.nats;
    const nc = await this.nats.core({ reconnect: false });
    const losesReplyTo = (value: string) => this.#losesReplyTo(value);
    const losesRead = () => this.loseReads > 0 && this.loseReads-- > 0;
    try {
      const started = await startQueueProcess({
        nc,
        issuer,
        sealingKeys,
        clock,
        cloud,
        losesReplyTo,
        losesRead,
        quotas: this.quotas,
      });
      this.#processes.push(started);
      return started;
    } catch (error) {
      await nc.close();
      throw error;
    }
  }

  #losesReplyTo(value: string): boolean {
    if (this.killAfter?.test(value)) {
      this.killAfter = undefined;
      void this.queue.kill();
      return true;
    }
    if (this.loseReplyTo === undefined || !value.includes(this.loseReplyTo)) return false;
    this.loseReplyTo = undefined;
    return true;
  }

  /** Advances the clock until `check` finds something. Throws after `limitMs` on the lab's clock. */
  async until<T>(what: string, check: () => T | Promise<T>, limitMs = 240_000): Promise<NonNullable<T>> {
    const endMs = this.clock.nowMs() + limitMs;
    for (;;) {
      const found = await check();
      if (found !== undefined && found !== null && found !== false) return found;
      if (this.clock.nowMs() > endMs) {
        const { pool, builds } = this.queue;
        const state = JSON.stringify({
          nowMs: this.clock.nowMs(),
          pool: pool.status(),
          live: builds.all().filter((build) => build.state !== "ended"),
        });
        throw new Error(`not reached within ${limitMs} ms on the lab's clock: ${what}\n${state}`);
      }
      await this.#step();
    }
  }

  /** Resolves when the reserve is full, and no other builder exists. */
  async fullReserve(): Promise<void> {
    await this.until("a full reserve, and no other builder", () => {
      const { reserve: ready, active, booting, destroying, reserveTarget } = this.queue.pool.status();
      return ready.length === reserveTarget && active.length + booting.length + destroying.length === 0;
    });
  }

  /** Advances the clock by that time in steps. */
  async pass(ms: number): Promise<void> {
    const endMs = this.clock.nowMs() + ms;
    while (this.clock.nowMs() < endMs) await this.#step();
  }

  async #step(): Promise<void> {
    for (const { builder, status } of this.cloud.machines.values()) {
      if (status !== "running" || this.agents.has(builder)) continue;
      this.agents.set(builder, new LabAgent(builder, (await this.nats.builder(builder)).connection));
    }
    for (const agent of this.agents.values())
      if (this.cloud.machines.has(agent.builder)) agent.askEvery(ASK_MS, this.#passedMs);
    this.#passedMs += STEP_MS;
    await this.clock.advance(STEP_MS);
    // One write to the disk, so that on a slow disk the lab's clock does not run ahead of the queue's writes.
    await this.#steps.put("step", "");
    await realSleep(STEP_REAL_MS);
  }

  /** The id of a new build. Rejects with the queue's refusal. */
  async reserve(user = "ada", over: Partial<ReserveRequest> = {}): Promise<string> {
    return (await this.request(user, over)).build;
  }

  /** The whole reply to a reservation. Rejects with the queue's refusal. */
  async request(user: string, over: Partial<ReserveRequest> = {}): Promise<ReserveReply> {
    const joining = this.#users.get(user) ?? this.nats.user(user);
    this.#users.set(user, joining);
    const { connection: nc } = await joining;
    const request = {
      v: 1,
      request: randomUUID(),
      publicKey: createKey("user").publicKey,
      recipe: { backend: "singularity", text: "Bootstrap: scratch\n" },
      name: "image.sif",
      ...over,
    } as const;
    return call(reserve, { nc, principal: user, request, timeoutMs: REQUEST_TIMEOUT_MS });
  }

  /** The requests of a user that has reserved a build. */
  async send<Request, Reply>(
    user: string,
    definition: RequestDefinition<Request, Reply>,
    request: Request,
  ): Promise<Reply> {
    const guest = await this.#users.get(user);
    if (guest === undefined) throw new Error(`${user} has reserved nothing`);
    return call(definition, { nc: guest.connection, principal: user, request, timeoutMs: REQUEST_TIMEOUT_MS });
  }

  async cancel(build: string): Promise<void> {
    const user = this.record(build)?.user ?? "";
    const nc = (await this.#users.get(user))?.connection;
    if (nc === undefined) throw new Error(`no user of the lab has reserved ${build}`);
    const request = { v: 1, target: { kind: "build", id: build } } as const;
    await call(cancel, { nc, principal: user, request, timeoutMs: REQUEST_TIMEOUT_MS });
  }

  record(build: string): BuildRecord | undefined {
    return this.queue.builds.get(build);
  }

  /** The agent that has the lease of this attempt. */
  agentOf(build: string, attempt: number): LabAgent | undefined {
    return [...this.agents.values()].find(({ lease }) => lease?.build === build && lease.attempt === attempt);
  }

  leased(build: string, attempt: number): Promise<LabAgent> {
    return this.until(`attempt ${attempt} of ${build}`, () => this.agentOf(build, attempt));
  }

  /** The text of a record in KV; undefined when it is deleted. */
  async valueOf(bucket: string, key: string): Promise<string | undefined> {
    const found = await (await this.#core.jetstream().views.kv(bucket)).get(key);
    return found?.operation === "PUT" ? found.string() : undefined;
  }

  /** The content of the build's stream: states, and the log as text. */
  async streamOf(build: string): Promise<(BuildState | string)[]> {
    const { streams } = await this.#core.jetstreamManager();
    const { state } = await streams.info(buildStream(build));
    const entries: (BuildState | string)[] = [];
    for (let seq = 1; seq <= state.last_seq; seq++) {
      const message = await streams.getMessage(buildStream(build), { seq });
      entries.push(message.subject === subjects.log(build) ? message.string() : message.json<BuildState>());
    }
    return entries;
  }
}

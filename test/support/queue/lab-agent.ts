/** An agent of the QueueLab: it sends requests like the real one, and builds nothing; the test decides on the outcome. */
import type { NatsConnection } from "nats";
import { createSealingKey } from "../../../lib/core/sealed-box.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { call } from "../../../lib/nats/rpc/client.ts";
import type { AgentReply, AgentRequest, BuildOutcome, Lease } from "../../../lib/protocol/builder-messages.ts";
import { agentAsk } from "../../../lib/protocol/requests.ts";
import { rejection } from "../rejection.ts";

/** Longer than the queue parks a request. */
const REPLY_TIMEOUT_MS = 15_000;

type WithoutIdentity<T> = T extends unknown ? Omit<T, "v" | "builder" | "publicKey"> : never;

export class LabAgent {
  readonly builder: string;
  readonly key = createKey("user");
  readonly sealingKey = createSealingKey();
  /** False: like an agent of an earlier version. */
  hasSealingKey = true;
  /** Requests with the sealing key that the queue has not answered yet: each may still become a lease with secrets. */
  unansweredWithKey = 0;
  /** True: it sends no requests. */
  frozen = false;
  lease: Lease | undefined;
  /** The reason of the `stop` order, once it has got one. */
  stopped: string | undefined;
  /** As it reports its image; a change is reported by the agents of later builders alone. */
  static builderImage = "lab-1";
  readonly #nc: NatsConnection;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(builder: string, nc: NatsConnection) {
    this.builder = builder;
    this.#nc = nc;
  }

  /** Sends a request if the last one is at least `everyMs` ago, and does not wait for the reply. */
  askEvery(everyMs: number, nowMs: number): void {
    if (this.frozen || this.stopped !== undefined || nowMs - this.#askedAtMs < everyMs) return;
    this.#askedAtMs = nowMs;
    const { lease } = this;
    if (lease === undefined) void this.#askForWork();
    else void rejection(this.ask({ state: "building", build: lease.build }));
  }

  async #askForWork(): Promise<void> {
    if (!this.hasSealingKey) return void (await rejection(this.ask({ state: "ready" })));
    this.unansweredWithKey++;
    const builderImage = { id: LabAgent.builderImage, versions: [] };
    await rejection(this.ask({ state: "ready", sealingKey: this.sealingKey.publicKey, builderImage }));
    this.unansweredWithKey--;
  }

  /** Reports the outcome of its build. */
  end(outcome: BuildOutcome): Promise<AgentReply> {
    return this.ask({ state: "ended", build: this.lease?.build ?? "", outcome });
  }

  async ask(request: WithoutIdentity<AgentRequest>): Promise<AgentReply> {
    const full = { v: 1, builder: this.builder, publicKey: this.key.publicKey, ...request } as AgentRequest;
    const reply = await call(agentAsk, {
      nc: this.#nc,
      principal: this.builder,
      request: full,
      timeoutMs: REPLY_TIMEOUT_MS,
    });
    if (reply.order === "lease") this.lease = reply.lease;
    if (reply.order === "stop") this.stopped = reply.reason;
    return reply;
  }
}

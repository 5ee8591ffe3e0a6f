/** An agent that asks like the real one and builds what the test says. */
import type { NatsConnection } from "nats";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { call } from "../../../lib/nats/rpc/client.ts";
import type { AgentReply, AgentRequest, BuildOutcome, Lease } from "../../../lib/protocol/builder-messages.ts";
import { agentAsk } from "../../../lib/protocol/requests.ts";
import { rejection } from "../rejection.ts";

/** Longer than a question is parked. */
const ANSWER_MS = 15_000;

type Distribute<T> = T extends unknown ? Omit<T, "v" | "builder" | "publicKey"> : never;

export class LabAgent {
  readonly builder: string;
  readonly key = createKey("user");
  /** True: it asks nothing. */
  frozen = false;
  lease: Lease | undefined;
  /** The reason, when it was told to stop. */
  stopped: string | undefined;
  readonly #nc: NatsConnection;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(builder: string, nc: NatsConnection) {
    this.builder = builder;
    this.#nc = nc;
  }

  /** Asks if it is time to, and does not wait for the answer. */
  askEvery(everyMs: number, nowMs: number): void {
    if (this.frozen || this.stopped !== undefined || nowMs - this.#askedMs < everyMs) return;
    this.#askedMs = nowMs;
    const { lease } = this;
    void rejection(this.ask(lease === undefined ? { state: "ready" } : { state: "building", build: lease.build }));
  }

  /** How its build ended. */
  end(outcome: BuildOutcome): Promise<AgentReply> {
    return this.ask({ state: "ended", build: this.lease?.build ?? "", outcome });
  }

  async ask(question: Distribute<AgentRequest>): Promise<AgentReply> {
    const full = { v: 1, builder: this.builder, publicKey: this.key.publicKey, ...question } as AgentRequest;
    const answer = await call(agentAsk, {
      nc: this.#nc,
      principal: this.builder,
      request: full,
      timeoutMs: ANSWER_MS,
    });
    if (answer.order === "lease") this.lease = answer.lease;
    if (answer.order === "stop") this.stopped = answer.reason;
    return answer;
  }
}

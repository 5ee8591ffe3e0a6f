/** Asking the queue: the one way in which an agent is told anything. */
import type { NatsConnection } from "nats";
import type { Clock } from "../lib/core/clock.ts";
import { CbError, messageOf } from "../lib/core/errors.ts";
import type { ErrorKind } from "../lib/core/exit-codes.ts";
import { call } from "../lib/nats/rpc/client.ts";
import type { AgentReply, AgentRequest } from "../lib/protocol/builder-messages.ts";
import { agentAsk } from "../lib/protocol/requests.ts";

/** A question is parked for up to 3 s: after two more it was lost. One that was only late is asked twice, which harms nothing. */
const ANSWER_MS = 5_000;
/** Waits between questions that nobody answers: short at first, since a restarting queue is back within seconds. */
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 5_000;

/** What another try may mend. */
const PASSING: readonly ErrorKind[] = ["unreachable", "infrastructure"];

type Distribute<T> = T extends unknown ? Omit<T, "v" | "builder" | "publicKey"> : never;
/** A question without what is the same in all of them. */
export type AgentRequestBody = Distribute<AgentRequest>;

export interface QueueClientOptions {
  readonly nc: NatsConnection;
  readonly builder: string;
  /** Of the key that a lease's JWT is to be made for. */
  readonly publicKey: string;
  readonly clock: Clock;
  readonly say: (line: string) => void;
}

export class QueueClient {
  readonly #options: QueueClientOptions;

  constructor(options: QueueClientOptions) {
    this.#options = options;
  }

  /**
   * The queue's answer. Asks again until `signal` ends it: an absent queue, or one in trouble, is waited for. Throws what the
   * queue refuses for good, and what it has refused for `refusalsMs` without a break: while it is absent, nobody has refused.
   */
  async ask(
    question: AgentRequestBody,
    signal: AbortSignal,
    refusalsMs = Number.POSITIVE_INFINITY,
  ): Promise<AgentReply> {
    const { nc, builder, publicKey, clock, say } = this.#options;
    let waitMs = BACKOFF_FIRST_MS;
    // Added up, because a recipe may set its builder's clock.
    let refusedMs = 0;
    for (;;) {
      signal.throwIfAborted();
      try {
        const full = { v: 1, builder, publicKey, ...question } as AgentRequest;
        return await call(agentAsk, { nc, principal: builder, request: full, timeoutMs: ANSWER_MS });
      } catch (error) {
        if (!(error instanceof CbError) || !PASSING.includes(error.kind)) throw error;
        refusedMs = error.kind === "infrastructure" ? refusedMs + waitMs : 0;
        if (refusedMs > refusalsMs) throw error;
        say(`asked in vain: ${messageOf(error)}; again in ${waitMs} ms`);
        await clock.sleep(waitMs, signal);
        waitMs = Math.min(waitMs * 2, BACKOFF_MAX_MS);
      }
    }
  }
}

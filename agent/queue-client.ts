/** Sends the agent's requests to the queue. The reply is the only channel on which an agent receives orders. */
import type { NatsConnection } from "nats";
import type { Clock } from "../lib/core/clock.ts";
import { CbError, messageOf } from "../lib/core/errors.ts";
import type { ErrorKind } from "../lib/core/exit-codes.ts";
import { call } from "../lib/nats/rpc/client.ts";
import type { AgentReply, AgentRequest } from "../lib/protocol/builder-messages.ts";
import { agentAsk } from "../lib/protocol/requests.ts";

/**
 * The queue parks a request for up to 3 s. After two more seconds the request or the reply counts as lost. If the reply
 * is only late, the queue gets the request twice, which does no harm.
 */
const REPLY_TIMEOUT_MS = 5_000;
/** Backoff between requests without a reply. Short at first, because a restarting queue is back within seconds. */
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 5_000;

/** Errors after which a later request may succeed. */
const RETRYABLE_KINDS: readonly ErrorKind[] = ["unreachable", "infrastructure"];

type OmitEnvelope<T> = T extends unknown ? Omit<T, "v" | "builder" | "publicKey"> : never;
/** A request without the fields that are the same in all requests of one agent. */
export type AgentRequestBody = OmitEnvelope<AgentRequest>;

export interface QueueClientOptions {
  readonly nc: NatsConnection;
  readonly builder: string;
  /** Public key for which the queue signs the JWT of a lease. */
  readonly publicKey: string;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

export class QueueClient {
  readonly #options: QueueClientOptions;

  constructor(options: QueueClientOptions) {
    this.#options = options;
  }

  /**
   * Returns the queue's reply. Repeats the request with backoff while the queue is absent or reports a failure of its
   * own, until `signal` is aborted; then throws the reason of `signal`. Throws CbError when the queue refuses the
   * request for good, or has replied with "infrastructure" for `refusalsMs` without a break. An absence of
   * the queue resets that time.
   */
  async ask(body: AgentRequestBody, signal: AbortSignal, refusalsMs = Number.POSITIVE_INFINITY): Promise<AgentReply> {
    const { nc, builder, publicKey, clock, log } = this.#options;
    let waitMs = BACKOFF_FIRST_MS;
    // The sum of the waits, because a recipe may set the builder's clock.
    let refusedMs = 0;
    for (;;) {
      signal.throwIfAborted();
      try {
        const request = { v: 1, builder, publicKey, ...body } as AgentRequest;
        return await call(agentAsk, { nc, principal: builder, request, timeoutMs: REPLY_TIMEOUT_MS });
      } catch (error) {
        if (!(error instanceof CbError) || !RETRYABLE_KINDS.includes(error.kind)) throw error;
        refusedMs = error.kind === "infrastructure" ? refusedMs + waitMs : 0;
        if (refusedMs > refusalsMs) throw error;
        log(`request "${body.state}" failed: ${messageOf(error)}; retrying in ${waitMs} ms`);
        await clock.sleep(waitMs, signal);
        waitMs = Math.min(waitMs * 2, BACKOFF_MAX_MS);
      }
    }
  }
}

/**
 * The newest request of each agent, held until the queue has an order for it. So a lease takes one round trip and not a
 * polling interval, and every reply shows the agent that the queue is running.
 */
import type { AgentReply, AgentRequest } from "../../protocol/builder-messages.ts";

/**
 * The longest time that a request is held. A parked request is lost with the queue that holds it, and the agent gets no
 * notice: so a queue that was killed and started again has all its builders back about this much later. Each builder
 * costs one small request in this time.
 */
const PARK_MS = 3_000;

interface Parked {
  readonly request: AgentRequest;
  readonly resolve: (reply: AgentReply) => void;
  readonly timer: NodeJS.Timeout;
}

const NO_ORDER: AgentReply = { v: 1, order: "none" };

export class ParkedRequests {
  /** In the order of their arrival: the longest parked first. */
  readonly #parked = new Map<string, Parked>();

  /** Resolves to the reply: "none" after `PARK_MS`, or as soon as a newer request of this builder arrives. */
  park(request: AgentRequest): Promise<AgentReply> {
    this.reply(request.builder, NO_ORDER);
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.reply(request.builder, NO_ORDER), PARK_MS);
      this.#parked.set(request.builder, { request, resolve, timer });
    });
  }

  /** False when no request of this builder is parked: its agent will send another one. */
  reply(builder: string, reply: AgentReply): boolean {
    const parked = this.#parked.get(builder);
    if (parked === undefined) return false;
    clearTimeout(parked.timer);
    this.#parked.delete(builder);
    parked.resolve(reply);
    return true;
  }

  /** The requests of builders that could take a build now. */
  ready(): AgentRequest[] {
    return [...this.#parked.values()].map(({ request }) => request).filter(({ state }) => state === "ready");
  }

  get(builder: string): AgentRequest | undefined {
    return this.#parked.get(builder)?.request;
  }

  /** Replies "none" to every parked request: the queue stops, and the agents will ask the next one. */
  clear(): void {
    for (const builder of [...this.#parked.keys()]) this.reply(builder, NO_ORDER);
  }
}

/**
 * The newest question of each agent, held until there is something to say. So a lease takes one round trip and not a
 * polling interval, and the answer, whatever it is, tells the agent that the queue is there.
 */
import type { AgentReply, AgentRequest } from "../../protocol/builder-messages.ts";

/**
 * Held this long. A question dies with the queue that holds it, and nobody tells the agent: so a queue that was killed
 * and started again has all its builders back this much later, and a bit. Each builder costs a small request as often.
 */
const PARK_MS = 3_000;

interface Parked {
  readonly ask: AgentRequest;
  readonly resolve: (answer: AgentReply) => void;
  readonly timer: NodeJS.Timeout;
}

const NOTHING: AgentReply = { v: 1, order: "none" };

export class ParkedRequests {
  /** In the order in which the questions came: the longest parked first. */
  readonly #parked = new Map<string, Parked>();

  /** The answer, once there is one; "none" after `PARK_MS`, or as soon as a newer question of this builder comes. */
  park(ask: AgentRequest): Promise<AgentReply> {
    this.answer(ask.builder, NOTHING);
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.answer(ask.builder, NOTHING), PARK_MS);
      this.#parked.set(ask.builder, { ask, resolve, timer });
    });
  }

  /** False when no question of this builder is outstanding: it will ask again. */
  answer(builder: string, answer: AgentReply): boolean {
    const parked = this.#parked.get(builder);
    if (parked === undefined) return false;
    clearTimeout(parked.timer);
    this.#parked.delete(builder);
    parked.resolve(answer);
    return true;
  }

  /** The questions of those that could take a build now. */
  ready(): AgentRequest[] {
    return [...this.#parked.values()].map(({ ask }) => ask).filter(({ state }) => state === "ready");
  }

  get(builder: string): AgentRequest | undefined {
    return this.#parked.get(builder)?.ask;
  }

  /** Everybody is sent away with "none": the queue stops, and they will ask the next one. */
  clear(): void {
    for (const builder of [...this.#parked.keys()]) this.answer(builder, NOTHING);
  }
}

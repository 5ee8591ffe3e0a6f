/** Whether the queue can take builds, and each reason why it cannot. */

/** The three connections of the queue to NATS. */
export type ConnectionName = "records" | "requests" | "readers";
const CONNECTIONS: readonly ConnectionName[] = ["records", "requests", "readers"];

export class Readiness {
  readonly #connected = new Set<ConnectionName>();
  /** Pools of which no listing was complete yet. */
  readonly #unobserved: Set<string>;
  #serving = false;
  #stopping = false;

  constructor(pools: readonly string[]) {
    this.#unobserved = new Set(pools);
  }

  setConnected(connection: ConnectionName, connected: boolean): void {
    if (connected) this.#connected.add(connection);
    else this.#connected.delete(connection);
  }

  /** nats-server has the subscriptions to requests. */
  setServing(): void {
    this.#serving = true;
  }

  setStopping(): void {
    this.#stopping = true;
  }

  /** A listing of the pool's provider was complete. */
  observed(pool: string): void {
    this.#unobserved.delete(pool);
  }

  connections(): [ConnectionName, boolean][] {
    return CONNECTIONS.map((name) => [name, this.#connected.has(name)]);
  }

  /** A sentence each; empty when the queue is ready. */
  reasons(): string[] {
    const lost = CONNECTIONS.filter((name) => !this.#connected.has(name));
    const pools = [...this.#unobserved];
    return [
      ...(this.#stopping ? ["cb-queue is stopping"] : []),
      ...(lost.length > 0 ? [`not connected to NATS (${lost.join(", ")})`] : []),
      ...(this.#serving ? [] : ["not subscribed to requests yet"]),
      ...pools.map((pool) => `the provider of pool ${pool} has not been listed completely since the start`),
    ];
  }
}

/**
 * Tells one reader or publisher what happens to its connection. nats.js reports all of it on one status iterator; this
 * picks what matters and ends with `stop`.
 */
import { Events, type NatsConnection, type Status } from "nats";

export interface ConnectionEvents {
  disconnected?(): void;
  reconnected?(): void;
  /** NATS refused to let us publish on this subject. It never answers such a message: the refusal comes only here. */
  denied?(subject: string): void;
  /** Closed for good: there will be no reconnect. */
  closed?(cause: unknown): void;
}

export class ConnectionWatch {
  #connected: boolean;
  #stopped = false;
  readonly #events: ConnectionEvents;
  readonly #stopStatus: () => void;

  constructor(nc: NatsConnection, events: ConnectionEvents) {
    this.#events = events;
    // nats.js forgets the server's INFO when it dials again; it has no other sign of being connected.
    this.#connected = nc.info !== undefined;
    const statuses = nc.status();
    // The interface has no stop(); nats.js gives a QueuedIterator, which has.
    this.#stopStatus = (): void => {
      if ("stop" in statuses && typeof statuses.stop === "function") statuses.stop();
    };
    void this.#follow(statuses);
    void nc.closed().then((cause) => {
      this.#connected = false;
      if (!this.#stopped) this.#events.closed?.(cause ?? undefined);
    });
  }

  get connected(): boolean {
    return this.#connected;
  }

  stop(): void {
    this.#stopped = true;
    this.#stopStatus();
  }

  async #follow(statuses: AsyncIterable<Status>): Promise<void> {
    for await (const status of statuses) {
      if (this.#stopped) return;
      if (status.type === Events.Disconnect) {
        this.#connected = false;
        this.#events.disconnected?.();
      } else if (status.type === Events.Reconnect) {
        this.#connected = true;
        this.#events.reconnected?.();
      } else if (status.type === Events.Error && status.permissionContext?.operation === "publish") {
        this.#events.denied?.(status.permissionContext.subject);
      }
    }
  }
}

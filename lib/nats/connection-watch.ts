/**
 * Calls back a reader, a publisher or a subscription about the state of its connection, until `stop`. nats.js reports all events
 * of a connection on one status iterator; this class passes on the four below.
 */
import { Events, type NatsConnection, type Status } from "nats";

export interface ConnectionEvents {
  disconnected?(): void;
  reconnected?(): void;
  /** NATS refused a message published on this subject. Such a message gets no reply, so this is the only report of it. */
  denied?(subject: string): void;
  /** Closed: there will be no reconnect. `cause` is the error that closed it, if there was one. */
  closed?(cause: unknown): void;
}

export class ConnectionWatch {
  #connected: boolean;
  #stopped = false;
  readonly #events: ConnectionEvents;
  readonly #stopStatus: () => void;

  constructor(nc: NatsConnection, events: ConnectionEvents) {
    this.#events = events;
    // nats.js clears the server's INFO when it reconnects, and shows in no other way whether it is connected.
    this.#connected = nc.info !== undefined;
    const statuses = nc.status();
    // The interface has no stop(), but nats.js returns a QueuedIterator, which has one.
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

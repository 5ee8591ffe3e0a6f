/** The life of all builders as the queue tells it, so that a test awaits an event and looks at what is true then. */
import type { ConsumerMessages, NatsConnection } from "nats";
import type { BuilderState } from "../../../lib/pool/state/record.ts";
import { BUILDERS_STREAM } from "../../../lib/protocol/subjects.ts";

export class BuilderLife {
  readonly #states = new Map<string, BuilderState>();
  readonly #watchers = new Set<() => void>();
  readonly #messages: ConsumerMessages;
  #peak = 0;

  private constructor(messages: ConsumerMessages) {
    this.#messages = messages;
  }

  /** Sees what the stream has kept, and everything from now on. */
  static async watch(core: NatsConnection): Promise<BuilderLife> {
    const jetstream = core.jetstream();
    const consumer = await jetstream.consumers.get(BUILDERS_STREAM);
    const messages = await consumer.consume();
    const life = new BuilderLife(messages);
    const known = (await consumer.info()).num_pending;
    const caughtUp = new Promise<void>((resolve) => {
      let seen = 0;
      if (known === 0) resolve();
      void (async () => {
        for await (const message of messages) {
          life.#note(message.subject.split(".")[1] ?? "", message.json<{ state: BuilderState }>().state);
          if (++seen >= known) resolve();
        }
      })();
    });
    await caughtUp;
    return life;
  }

  async close(): Promise<void> {
    await this.#messages.close();
  }

  /** Builders in this state now. */
  count(state: BuilderState): number {
    return [...this.#states.values()].filter((one) => one === state).length;
  }

  /** The most that existed at once since `resetPeak`. */
  get peak(): number {
    return this.#peak;
  }

  resetPeak(): void {
    this.#peak = this.#existing();
  }

  /** The next builder to come into this state. */
  next(state: BuilderState): Promise<string> {
    const before = new Set([...this.#states].flatMap(([id, one]) => (one === state ? [id] : [])));
    const find = () => [...this.#states].find(([id, one]) => one === state && !before.has(id))?.[0];
    return this.until(() => find() !== undefined).then(() => find() ?? "");
  }

  async reached(builder: string, state: BuilderState): Promise<void> {
    await this.until(() => this.#states.get(builder) === state);
  }

  /** Looks after each event; the file's time limit ends what never comes. */
  until(isTrue: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!isTrue()) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }

  #existing(): number {
    return [...this.#states.values()].filter((state) => state !== "gone").length;
  }

  #note(builder: string, state: BuilderState): void {
    this.#states.set(builder, state);
    this.#peak = Math.max(this.#peak, this.#existing());
    for (const watcher of [...this.#watchers]) watcher();
  }
}

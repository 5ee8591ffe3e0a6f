/** The states of all builders as the queue publishes them, so that a test can await an event and then check the states. */
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

  /** Reads the stored messages of the stream, and all new ones. */
  static async watch(core: NatsConnection): Promise<BuilderLife> {
    const jetstream = core.jetstream();
    const consumer = await jetstream.consumers.get(BUILDERS_STREAM);
    const messages = await consumer.consume();
    const life = new BuilderLife(messages);
    const known = (await consumer.info()).num_pending;
    const caughtUp = new Promise<void>((resolve) => {
      let received = 0;
      if (known === 0) resolve();
      void (async () => {
        for await (const message of messages) {
          life.#record(message.subject.split(".")[1] ?? "", message.json<{ state: BuilderState }>().state);
          if (++received >= known) resolve();
        }
      })();
    });
    await caughtUp;
    return life;
  }

  async close(): Promise<void> {
    await this.#messages.close();
  }

  /** The number of builders in this state now. */
  count(state: BuilderState): number {
    return [...this.#states.values()].filter((current) => current === state).length;
  }

  /** The largest number that existed at once since `resetPeak`. */
  get peak(): number {
    return this.#peak;
  }

  resetPeak(): void {
    this.#peak = this.#existing();
  }

  /** The next builder that enters this state. */
  next(state: BuilderState): Promise<string> {
    const before = new Set([...this.#states].flatMap(([id, current]) => (current === state ? [id] : [])));
    const find = () => [...this.#states].find(([id, current]) => current === state && !before.has(id))?.[0];
    return this.until(() => find() !== undefined).then(() => find() ?? "");
  }

  async reached(builder: string, state: BuilderState): Promise<void> {
    await this.until(() => this.#states.get(builder) === state);
  }

  /** Resolves when the reserve has `ready` builders and no other builder exists. More may be ready for a moment, and are destroyed then. */
  settled(ready: number): Promise<void> {
    return this.until(() => this.count("ready") === ready && this.#existing() === ready);
  }

  /** Checks after each event. Without a bound: the time limit of the test file ends a wait that never succeeds. */
  until(isTrue: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!isTrue()) return;
        this.#watchers.delete(check);
        resolve();
      };
      this.#watchers.add(check);
      check();
    });
  }

  #existing(): number {
    return [...this.#states.values()].filter((state) => state !== "gone").length;
  }

  #record(builder: string, state: BuilderState): void {
    this.#states.set(builder, state);
    this.#peak = Math.max(this.#peak, this.#existing());
    for (const watcher of [...this.#watchers]) watcher();
  }
}

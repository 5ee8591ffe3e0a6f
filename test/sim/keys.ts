/** A key-value store in memory that refuses calls and loses replies, as a failing NATS does. */

import type { Clock } from "../../lib/core/clock.ts";
import { CbError } from "../../lib/core/errors.ts";
import { type KvEntry, type KvStore, StaleWriteError } from "../../lib/nats/jetstream/kv.ts";
import type { Random } from "./random.ts";

export class SimKeys implements KvStore {
  readonly entries = new Map<string, KvEntry>();
  /** Probability that a call is refused, and that its reply is lost. */
  refuses = 0;
  losesReply = 0;
  #revision = 0;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  list(prefix: string): Promise<KvEntry[]> {
    return this.#call(() => [...this.entries.values()].filter(({ key }) => key.startsWith(`${prefix}.`)));
  }

  names(prefix: string): Promise<string[]> {
    return this.list(prefix).then((entries) => entries.map(({ key }) => key));
  }

  get(key: string): Promise<KvEntry | undefined> {
    return this.#call(() => this.entries.get(key));
  }

  create(key: string, value: string): Promise<number> {
    return this.#call(() => this.#put(key, value, 0));
  }

  update(key: string, value: string, revision: number): Promise<number> {
    return this.#call(() => this.#put(key, value, revision));
  }

  remove(key: string, revision: number): Promise<void> {
    return this.#call(() => {
      this.#check(key, revision);
      this.entries.delete(key);
    });
  }

  #put(key: string, value: string, expected: number): number {
    this.#check(key, expected);
    const revision = ++this.#revision;
    this.entries.set(key, { key, value, revision });
    return revision;
  }

  #check(key: string, expected: number): void {
    if ((this.entries.get(key)?.revision ?? 0) !== expected) throw new StaleWriteError(key);
  }

  async #call<T>(work: () => T): Promise<T> {
    await this.#clock.sleep(this.#random.between(0, 3));
    if (this.#random.chance(this.refuses)) throw new CbError("infrastructure", "simulated: NATS does not answer");
    const result = work();
    await this.#clock.sleep(this.#random.between(0, 3));
    if (this.#random.chance(this.losesReply)) throw new CbError("infrastructure", "simulated: the reply was lost");
    return result;
  }
}

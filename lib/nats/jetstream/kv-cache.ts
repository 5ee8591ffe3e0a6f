/**
 * Values under one prefix of a key-value store, all of them in memory, each write through with the revision it was decided
 * on. What memory shows has been acknowledged. A write that failed may have happened: it is looked up at once, and if
 * that fails too, by `settle`.
 */

import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { KvStore } from "./kv.ts";

export interface CachedValue<V> {
  readonly value: V;
  readonly revision: number;
}

export interface KvCacheOptions<V> {
  readonly keys: KvStore;
  /** One token; the keys of this mirror are what follows it. */
  readonly prefix: string;
  /** Throws CbError "config" on what it cannot read. */
  readonly parse: (text: string, key: string) => V;
  readonly log: Logger;
}

export class KvCache<V> {
  readonly #parts: KvCacheOptions<V>;
  readonly #kept = new Map<string, CachedValue<V>>();
  readonly #doubtful = new Set<string>();

  constructor(parts: KvCacheOptions<V>) {
    this.#parts = parts;
  }

  /** Reads everything anew. Throws CbError "config" on a value that cannot be read, "infrastructure" without NATS. */
  async load(): Promise<void> {
    const { keys, prefix, parse } = this.#parts;
    const fresh = (await keys.list(prefix)).map(({ key, value, revision }) => {
      const kept: CachedValue<V> = { value: parse(value, key), revision };
      return [key.slice(prefix.length + 1), kept] as const;
    });
    this.#kept.clear();
    for (const [key, kept] of fresh) this.#kept.set(key, kept);
  }

  /** Looks up what could not be looked up when its write failed. Never throws. */
  async settle(): Promise<void> {
    for (const key of this.#doubtful) await this.#lookUp(key);
  }

  entries(): IterableIterator<[string, CachedValue<V>]> {
    return this.#kept.entries();
  }

  get(key: string): CachedValue<V> | undefined {
    return this.#kept.get(key);
  }

  /** Throws StaleWriteError if there is one, CbError "infrastructure" without NATS. */
  async create(key: string, value: V): Promise<CachedValue<V>> {
    return this.#write(key, value, (at, text) => this.#parts.keys.create(at, text));
  }

  /** Throws StaleWriteError if `revision` is not the newest, CbError "infrastructure" without NATS. */
  async update(key: string, value: V, revision: number): Promise<CachedValue<V>> {
    return this.#write(key, value, (at, text) => this.#parts.keys.update(at, text, revision));
  }

  /** Leaves nothing of it. Throws StaleWriteError if `revision` is not the newest, CbError "infrastructure". */
  async remove(key: string, revision: number): Promise<void> {
    await this.#orLookUp(key, () => this.#parts.keys.remove(this.#at(key), revision));
    this.#kept.delete(key);
  }

  async #write(key: string, value: V, write: (at: string, text: string) => Promise<number>): Promise<CachedValue<V>> {
    const revision = await this.#orLookUp(key, () => write(this.#at(key), JSON.stringify(value)));
    const kept = { value, revision };
    this.#keep(key, kept);
    return kept;
  }

  async #orLookUp<T>(key: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      this.#doubtful.add(key);
      await this.#lookUp(key);
      throw error;
    }
  }

  async #lookUp(key: string): Promise<void> {
    const { keys, parse, log } = this.#parts;
    try {
      const entry = await keys.get(this.#at(key));
      if (entry) this.#keep(key, { value: parse(entry.value, entry.key), revision: entry.revision });
      else this.#kept.delete(key);
      this.#doubtful.delete(key);
    } catch (error) {
      log.warn({ key: this.#at(key), cause: messageOf(error) }, "a failed write could not be looked up yet");
    }
  }

  /** Two writes under way may answer in any order: the newest stays. */
  #keep(key: string, kept: CachedValue<V>): void {
    if ((this.#kept.get(key)?.revision ?? 0) < kept.revision) this.#kept.set(key, kept);
  }

  #at(key: string): string {
    return `${this.#parts.prefix}.${key}`;
  }
}

/**
 * All records under one prefix of a key-value bucket, kept in memory. Each write goes to NATS first, with the revision
 * that it was decided on, so that memory shows only acknowledged writes.
 *
 * A write may fail for its caller and have been stored all the same. The cache therefore reads the record again at once; if
 * that fails too, the record is in doubt until `settle` has read it.
 */
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { StaleWriteError } from "./kv.ts";
import type { Records, StoredRecord } from "./records.ts";

/** A write that loses this often against other writers is a bug: one process writes, and few of its handlers do. */
const ATTEMPTS_MAX = 10;

/**
 * Unless stated otherwise, the methods that return a promise throw CbError "infrastructure" if NATS does not answer,
 * and those that read throw the errors of `Records`' parse function.
 */
export class KvCache<V> {
  readonly #records: Records<V>;
  readonly #log: Logger;
  readonly #cached = new Map<string, StoredRecord<V>>();
  readonly #inDoubt = new Set<string>();

  constructor(records: Records<V>, log: Logger) {
    this.#records = records;
    this.#log = log;
  }

  get size(): number {
    return this.#cached.size;
  }

  entries(): IterableIterator<[string, StoredRecord<V>]> {
    return this.#cached.entries();
  }

  get(id: string): StoredRecord<V> | undefined {
    return this.#cached.get(id);
  }

  /** True if a write of the record failed and NATS has not yet told whether it was stored. */
  isInDoubt(id: string): boolean {
    return this.#inDoubt.has(id);
  }

  /** Replaces the whole cache by the records in NATS. An error leaves the cache as it was. */
  async load(): Promise<void> {
    const stored = await this.#records.all();
    this.#cached.clear();
    for (const [id, record] of stored) this.#cached.set(id, record);
  }

  /** Reads the record from NATS, so that it is no longer in doubt. */
  async refresh(id: string): Promise<StoredRecord<V> | undefined> {
    const stored = await this.#records.get(id);
    if (stored === undefined) this.#cached.delete(id);
    else this.#keep(id, stored);
    this.#inDoubt.delete(id);
    return this.#cached.get(id);
  }

  /** Reads every record that is in doubt. Logs errors and never throws; what cannot be read stays in doubt. */
  async settle(): Promise<void> {
    for (const id of this.#inDoubt) await this.#tryToRefresh(id);
  }

  /** Throws StaleWriteError if the record exists. */
  create(id: string, value: V): Promise<StoredRecord<V>> {
    return this.#write(id, value, () => this.#records.create(id, value));
  }

  /** Throws StaleWriteError if `revision` is not the newest. */
  update(id: string, value: V, revision: number): Promise<StoredRecord<V>> {
    return this.#write(id, value, () => this.#records.update(id, value, revision));
  }

  /**
   * Writes the value that `decide` returns for the current one, and returns it. Returns undefined if `decide` does or
   * if the record does not exist. Calls `decide` again if another writer was first.
   */
  async change(id: string, decide: (value: V) => V | undefined): Promise<V | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const before = this.#cached.get(id);
      const next = before && decide(before.value);
      if (before === undefined || next === undefined) return undefined;
      try {
        return (await this.update(id, next, before.revision)).value;
      } catch (error) {
        if (!(error instanceof StaleWriteError) || this.isInDoubt(id)) throw error;
      }
    }
    throw new Error(`other writers changed record ${this.#records.keyOf(id)} ${ATTEMPTS_MAX} times in a row`);
  }

  /** Removes the record and its history. Throws StaleWriteError if `revision` is not the newest. */
  async remove(id: string, revision: number): Promise<void> {
    await this.#orRefresh(id, () => this.#records.remove(id, revision));
    this.#cached.delete(id);
  }

  /** Drops the record from memory and from doubt, without a write. The next `load` shows it again if it exists. */
  forget(id: string): void {
    this.#cached.delete(id);
    this.#inDoubt.delete(id);
  }

  async #write(id: string, value: V, write: () => Promise<number>): Promise<StoredRecord<V>> {
    const stored = { value, revision: await this.#orRefresh(id, write) };
    this.#keep(id, stored);
    return stored;
  }

  async #orRefresh<T>(id: string, write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      this.#inDoubt.add(id);
      await this.#tryToRefresh(id);
      throw error;
    }
  }

  async #tryToRefresh(id: string): Promise<void> {
    try {
      await this.refresh(id);
    } catch (error) {
      const fields = { key: this.#records.keyOf(id), cause: messageOf(error) };
      this.#log.warn(fields, "cannot tell yet whether a failed write was stored; the record is read again later");
    }
  }

  /** Two calls may be answered in any order, so the newer revision wins. */
  #keep(id: string, stored: StoredRecord<V>): void {
    if ((this.#cached.get(id)?.revision ?? 0) < stored.revision) this.#cached.set(id, stored);
  }
}

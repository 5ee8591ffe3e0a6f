/**
 * The records of one pool: all of them in memory, each write through to the key-value store with the revision it was
 * decided on. What memory shows has been acknowledged; a write that fails is looked up before anything is decided again.
 */

import { type Keys, StaleWriteError } from "../bus/kv.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Journal } from "./journal.ts";
import { type BuilderRecord, parseRecord } from "./record.ts";
import type { Stored } from "./seen.ts";

/** Key of the generation; no pool has a dot in its keys' place, so it meets no record. */
const GENERATION_KEY = "generation";

export interface StoreParts {
  readonly keys: Keys;
  readonly journal: Journal;
  readonly log: Logger;
  readonly pool: string;
}

export class RecordStore {
  readonly #parts: StoreParts;
  readonly #stored = new Map<string, Stored>();

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  /** Reads everything anew. Throws CbError "config" on a record that cannot be read, "infrastructure" without NATS. */
  async load(): Promise<void> {
    const entries = await this.#parts.keys.list(this.#parts.pool);
    const fresh = entries.map(({ key, value, revision }) => ({ record: parseRecord(value, key), revision }));
    this.#stored.clear();
    for (const stored of fresh) this.#stored.set(stored.record.builder, stored);
  }

  all(): readonly Stored[] {
    return [...this.#stored.values()];
  }

  get(builder: string): Stored | undefined {
    return this.#stored.get(builder);
  }

  /** A new record. Throws StaleWriteError if there is one, CbError "infrastructure" without NATS. */
  async add(record: BuilderRecord): Promise<Stored> {
    return this.#write(record, (key, value) => this.#parts.keys.create(key, value));
  }

  /** Throws StaleWriteError if `revision` is not the newest; memory then shows what is. CbError "infrastructure". */
  async update(record: BuilderRecord, revision: number): Promise<Stored> {
    return this.#write(record, (key, value) => this.#parts.keys.update(key, value, revision));
  }

  /** Leaves nothing of it. Throws StaleWriteError, CbError "infrastructure". */
  async remove(builder: string, revision: number): Promise<void> {
    await this.#orLookUp(builder, () => this.#parts.keys.remove(this.#key(builder), revision));
    this.#stored.delete(builder);
  }

  async #write(record: BuilderRecord, write: (key: string, value: string) => Promise<number>): Promise<Stored> {
    const { builder, state } = record;
    const before = this.#stored.get(builder)?.record.state;
    const revision = await this.#orLookUp(builder, () => write(this.#key(builder), JSON.stringify(record)));
    const stored = { record, revision };
    this.#keep(stored);
    if (before !== state) this.#parts.journal.tell(stored);
    return stored;
  }

  /** After a failure memory shows what the store holds, if it can be reached: a lost reply is no lost write. */
  async #orLookUp<T>(builder: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      await this.#lookUp(builder).catch((cause) =>
        this.#parts.log.warn(
          { builder, cause: messageOf(cause) },
          "a record could not be looked up after a failed write",
        ),
      );
      throw error;
    }
  }

  async #lookUp(builder: string): Promise<void> {
    const entry = await this.#parts.keys.get(this.#key(builder));
    if (entry) this.#keep({ record: parseRecord(entry.value, entry.key), revision: entry.revision });
    else this.#stored.delete(builder);
  }

  /** Two writes under way may answer in any order: the newest stays. */
  #keep(stored: Stored): void {
    const { builder } = stored.record;
    if ((this.#stored.get(builder)?.revision ?? 0) < stored.revision) this.#stored.set(builder, stored);
  }

  #key(builder: string): string {
    return `${this.#parts.pool}.${builder}`;
  }
}

/** The id of these records, made once with them: it tells machines made from other, lost or restored ones. */
export async function generationOf(keys: Keys, newId: () => string): Promise<string> {
  const known = await keys.get(GENERATION_KEY);
  if (known) return known.value;
  try {
    const made = newId();
    await keys.create(GENERATION_KEY, made);
    return made;
  } catch (error) {
    const other = error instanceof StaleWriteError ? await keys.get(GENERATION_KEY) : undefined;
    if (other) return other.value;
    throw error;
  }
}

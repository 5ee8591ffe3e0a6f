/** The records of one pool's builders, and the events that their changes of state give. */

import type { Logger } from "../../core/log.ts";
import { type KvStore, StaleWriteError } from "../../nats/jetstream/kv.ts";
import { KvCache } from "../../nats/jetstream/kv-cache.ts";
import { Records, type StoredRecord } from "../../nats/jetstream/records.ts";
import type { StoredBuilder } from "../reconciler/observation.ts";
import type { Journal } from "./journal.ts";
import { type BuilderRecord, parseRecord } from "./record.ts";

/** Key of the generation: a single token, so it meets no record, which has two. */
const GENERATION_KEY = "generation";

export interface StoreParts {
  readonly keys: KvStore;
  readonly journal: Journal;
  readonly log: Logger;
  readonly pool: string;
}

/** Throws the same errors as KvCache. */
export class RecordStore {
  readonly #journal: Journal;
  readonly #cache: KvCache<BuilderRecord>;

  constructor({ keys, journal, log, pool }: StoreParts) {
    this.#journal = journal;
    this.#cache = new KvCache(new Records({ keys, prefix: pool, parse: parseRecord }), log);
  }

  load(): Promise<void> {
    return this.#cache.load();
  }

  settle(): Promise<void> {
    return this.#cache.settle();
  }

  all(): readonly StoredBuilder[] {
    return Array.from(this.#cache.entries(), ([, kept]) => storedOf(kept));
  }

  get(builder: string): StoredBuilder | undefined {
    const kept = this.#cache.get(builder);
    return kept && storedOf(kept);
  }

  async add(record: BuilderRecord): Promise<StoredBuilder> {
    return this.#told(storedOf(await this.#cache.create(record.builder, record)));
  }

  /** Gives an event if the state differs from `before`, the one decided on. */
  async update(record: BuilderRecord, before: StoredBuilder): Promise<StoredBuilder> {
    const stored = storedOf(await this.#cache.update(record.builder, record, before.revision));
    return record.state === before.record.state ? stored : this.#told(stored);
  }

  remove({ record, revision }: StoredBuilder): Promise<void> {
    return this.#cache.remove(record.builder, revision);
  }

  #told(stored: StoredBuilder): StoredBuilder {
    this.#journal.publish(stored);
    return stored;
  }
}

function storedOf({ value, revision }: StoredRecord<BuilderRecord>): StoredBuilder {
  return { record: value, revision };
}

/** The id of these records, made once with them: it tells machines made from other, lost or restored ones. */
export async function generationOf(keys: KvStore, newId: () => string): Promise<string> {
  const known = await keys.get(GENERATION_KEY);
  if (known) return known.value;
  const made = newId();
  try {
    await keys.create(GENERATION_KEY, made);
    return made;
  } catch (error) {
    const other = error instanceof StaleWriteError ? await keys.get(GENERATION_KEY) : undefined;
    if (other) return other.value;
    throw error;
  }
}

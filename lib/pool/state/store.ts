/** The records and the slots of one pool, cached from NATS. */

import type { Logger } from "../../core/log.ts";
import { type KvStore, StaleWriteError } from "../../nats/jetstream/kv.ts";
import { KvCache } from "../../nats/jetstream/kv-cache.ts";
import { Records, type StoredRecord } from "../../nats/jetstream/records.ts";
import type { PoolObserver } from "../observer.ts";
import type { Slot, StoredBuilder } from "../reconciler/observation.ts";
import type { Journal } from "./journal.ts";
import { type BuilderRecord, parseClaim, parseRecord, type SlotClaim } from "./record.ts";

/** A change that loses this often against other writers is a bug. */
const CHANGE_TRIES = 5;

export interface SlotsOptions {
  readonly keys: KvStore;
  readonly log: Logger;
  readonly pool: string;
}

export interface StoreOptions extends SlotsOptions {
  readonly journal: Journal;
  readonly observer?: PoolObserver | undefined;
}

/**
 * The records of the pool's builders. Each change of state is published to the journal. Throws the errors of KvCache.
 */
export class RecordStore {
  readonly #journal: Journal;
  readonly #observer: PoolObserver | undefined;
  readonly #cache: KvCache<BuilderRecord>;

  constructor({ keys, journal, observer, log, pool }: StoreOptions) {
    this.#journal = journal;
    this.#observer = observer;
    this.#cache = new KvCache(new Records({ keys, prefix: pool, parse: parseRecord }), log);
  }

  load(): Promise<void> {
    return this.#cache.load();
  }

  settle(): Promise<void> {
    return this.#cache.settle();
  }

  all(): readonly StoredBuilder[] {
    return Array.from(this.#cache.entries(), ([, stored]) => storedBuilder(stored));
  }

  get(builder: string): StoredBuilder | undefined {
    const stored = this.#cache.get(builder);
    return stored && storedBuilder(stored);
  }

  async add(record: BuilderRecord): Promise<StoredBuilder> {
    return this.#published(storedBuilder(await this.#cache.create(record.builder, record)));
  }

  /** Publishes an event if the state differs from that of `before`, the record that was decided on. */
  async update(record: BuilderRecord, before: StoredBuilder): Promise<StoredBuilder> {
    const stored = storedBuilder(await this.#cache.update(record.builder, record, before.revision));
    return record.state === before.record.state ? stored : this.#published(stored, before.record);
  }

  /**
   * Writes the record that `decide` returns for the current one, and decides again if another writer was first. Does nothing if
   * `decide` returns undefined or there is no such builder.
   */
  async change(builder: string, decide: (record: BuilderRecord) => BuilderRecord | undefined): Promise<void> {
    for (let tries = 1; ; tries++) {
      const stored = this.get(builder);
      const next = stored && decide(stored.record);
      if (!stored || !next) return;
      try {
        await this.update(next, stored);
        return;
      } catch (error) {
        if (!(error instanceof StaleWriteError) || tries >= CHANGE_TRIES) throw error;
      }
    }
  }

  remove({ record, revision }: StoredBuilder): Promise<void> {
    return this.#cache.remove(record.builder, revision);
  }

  #published(stored: StoredBuilder, before?: BuilderRecord): StoredBuilder {
    this.#journal.publish(stored);
    this.#observer?.builderChanged(stored.record, before);
    return stored;
  }
}

function storedBuilder({ value, revision }: StoredRecord<BuilderRecord>): StoredBuilder {
  return { record: value, revision };
}

/**
 * The slots of the pool. A create first claims a slot with a write that only one writer can win, so that the queue
 * never requests more machines than the maximum, even if replies are lost or two queues run. Throws the errors of
 * KvCache.
 */
export class Slots {
  readonly #cache: KvCache<SlotClaim>;

  constructor({ keys, log, pool }: SlotsOptions) {
    this.#cache = new KvCache(new Records({ keys, prefix: pool, parse: parseClaim }), log);
  }

  load(): Promise<void> {
    return this.#cache.load();
  }

  settle(): Promise<void> {
    return this.#cache.settle();
  }

  all(): readonly Slot[] {
    return Array.from(this.#cache.entries(), ([key, stored]) => claimedSlot(Number(key), stored));
  }

  get(slot: number): Slot | undefined {
    const stored = this.#cache.get(String(slot));
    return stored && claimedSlot(slot, stored);
  }

  async claim(slot: number, claim: SlotClaim): Promise<void> {
    await this.#cache.create(String(slot), claim);
  }

  free({ slot, revision }: Pick<Slot, "slot" | "revision">): Promise<void> {
    return this.#cache.remove(String(slot), revision);
  }
}

function claimedSlot(slot: number, { value, revision }: StoredRecord<SlotClaim>): Slot {
  return { ...value, slot, revision };
}

/** Key of the generation. It is a single token, so it differs from the key of every record, which has two. */
const GENERATION_KEY = "generation";

/**
 * The id of these records, stored once when they are first opened. Machines carry it, so that those created from lost
 * or restored records are told apart.
 */
export async function generationOf(keys: KvStore, newId: () => string): Promise<string> {
  const stored = await keys.get(GENERATION_KEY);
  if (stored) return stored.value;
  const created = newId();
  try {
    await keys.create(GENERATION_KEY, created);
    return created;
  } catch (error) {
    const other = error instanceof StaleWriteError ? await keys.get(GENERATION_KEY) : undefined;
    if (other) return other.value;
    throw error;
  }
}

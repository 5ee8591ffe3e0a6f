/**
 * The places of one pool. A create claims one before anything else, by a write that only one can win, so that the queue
 * never asks for more machines than the maximum, whatever replies are lost and whoever leads.
 */

import type { Logger } from "../../core/log.ts";
import type { KvStore } from "../../nats/jetstream/kv.ts";
import { KvCache } from "../../nats/jetstream/kv-cache.ts";
import { Records, type StoredRecord } from "../../nats/jetstream/records.ts";
import type { Slot } from "../reconciler/observation.ts";
import { parseClaim, type SlotClaim } from "./record.ts";

/** Throws the same errors as KvCache. */
export class Slots {
  readonly #cache: KvCache<SlotClaim>;

  constructor({ keys, log, pool }: { keys: KvStore; log: Logger; pool: string }) {
    this.#cache = new KvCache(new Records({ keys, prefix: pool, parse: parseClaim }), log);
  }

  load(): Promise<void> {
    return this.#cache.load();
  }

  settle(): Promise<void> {
    return this.#cache.settle();
  }

  all(): readonly Slot[] {
    return Array.from(this.#cache.entries(), ([key, kept]) => slotOf(Number(key), kept));
  }

  get(slot: number): Slot | undefined {
    const kept = this.#cache.get(String(slot));
    return kept && slotOf(slot, kept);
  }

  async claim(slot: number, claim: SlotClaim): Promise<void> {
    await this.#cache.create(String(slot), claim);
  }

  free({ slot, revision }: Pick<Slot, "slot" | "revision">): Promise<void> {
    return this.#cache.remove(String(slot), revision);
  }
}

function slotOf(slot: number, { value, revision }: StoredRecord<SlotClaim>): Slot {
  return { ...value, slot, revision };
}

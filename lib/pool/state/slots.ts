/**
 * The places of one pool. A create claims one before anything else, by a write that only one can win, so that the queue
 * never asks for more machines than the maximum, whatever replies are lost and whoever leads.
 */

import type { Logger } from "../../core/log.ts";
import type { KvStore } from "../../nats/jetstream/kv.ts";
import { type CachedValue, KvCache } from "../../nats/jetstream/kv-cache.ts";
import type { Slot } from "../reconciler/observation.ts";
import { parseClaim, type SlotClaim } from "./record.ts";

/** Errors as Mirror has them. */
export class Slots {
  readonly #mirror: KvCache<SlotClaim>;

  constructor({ keys, log, pool }: { keys: KvStore; log: Logger; pool: string }) {
    this.#mirror = new KvCache({ keys, prefix: pool, parse: parseClaim, log });
  }

  load(): Promise<void> {
    return this.#mirror.load();
  }

  settle(): Promise<void> {
    return this.#mirror.settle();
  }

  all(): readonly Slot[] {
    return Array.from(this.#mirror.entries(), ([key, kept]) => slotOf(Number(key), kept));
  }

  get(slot: number): Slot | undefined {
    const kept = this.#mirror.get(String(slot));
    return kept && slotOf(slot, kept);
  }

  async claim(slot: number, claim: SlotClaim): Promise<void> {
    await this.#mirror.create(String(slot), claim);
  }

  free({ slot, revision }: Pick<Slot, "slot" | "revision">): Promise<void> {
    return this.#mirror.remove(String(slot), revision);
  }
}

function slotOf(slot: number, { value, revision }: CachedValue<SlotClaim>): Slot {
  return { ...value, slot, revision };
}

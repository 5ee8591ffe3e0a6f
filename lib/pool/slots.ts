/**
 * The places of one pool. A create claims one before anything else, by a write that only one can win, so that the queue
 * never asks for more machines than the maximum, whatever replies are lost and whoever leads.
 */

import type { Keys } from "../bus/kv.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { parseClaim, type SlotClaim } from "./record.ts";
import type { Slot } from "./seen.ts";

export interface SlotsParts {
  readonly keys: Keys;
  readonly log: Logger;
  readonly pool: string;
}

export class Slots {
  readonly #parts: SlotsParts;
  readonly #taken = new Map<number, Slot>();

  constructor(parts: SlotsParts) {
    this.#parts = parts;
  }

  /** Reads everything anew. Throws CbError "config" on a claim that cannot be read, "infrastructure" without NATS. */
  async load(): Promise<void> {
    const entries = await this.#parts.keys.list(this.#parts.pool);
    const fresh = entries.map(({ key, value, revision }) => ({
      ...parseClaim(value, key),
      slot: Number(key.slice(this.#parts.pool.length + 1)),
      revision,
    }));
    this.#taken.clear();
    for (const slot of fresh) this.#taken.set(slot.slot, slot);
  }

  all(): readonly Slot[] {
    return [...this.#taken.values()];
  }

  get(slot: number): Slot | undefined {
    return this.#taken.get(slot);
  }

  /** Throws StaleWriteError if another has it, CbError "infrastructure" without NATS. */
  async claim(slot: number, claim: SlotClaim): Promise<void> {
    const revision = await this.#orLookUp(slot, () => this.#parts.keys.create(this.#key(slot), JSON.stringify(claim)));
    this.#taken.set(slot, { ...claim, slot, revision });
  }

  /** Throws StaleWriteError if it has been claimed anew, CbError "infrastructure". */
  async free(slot: number, revision: number): Promise<void> {
    await this.#orLookUp(slot, () => this.#parts.keys.remove(this.#key(slot), revision));
    this.#taken.delete(slot);
  }

  async #orLookUp<T>(slot: number, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      await this.#lookUp(slot).catch((cause) =>
        this.#parts.log.warn({ slot, cause: messageOf(cause) }, "a slot could not be looked up after a failed write"),
      );
      throw error;
    }
  }

  async #lookUp(slot: number): Promise<void> {
    const entry = await this.#parts.keys.get(this.#key(slot));
    if (entry) this.#taken.set(slot, { ...parseClaim(entry.value, entry.key), slot, revision: entry.revision });
    else this.#taken.delete(slot);
  }

  #key(slot: number): string {
    return `${this.#parts.pool}.${slot}`;
  }
}

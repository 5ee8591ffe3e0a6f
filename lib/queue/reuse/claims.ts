/** Which build has the inputs of a key: one record in KV for each key. A claim may outlive its build; the next request replaces it. */
import * as v from "valibot";
import type { Logger } from "../../core/log.ts";
import { type KvStore, StaleWriteError } from "../../nats/jetstream/kv.ts";
import { KvCache } from "../../nats/jetstream/kv-cache.ts";
import { Records, recordParser } from "../../nats/jetstream/records.ts";
import { id } from "../../protocol/fields.ts";

const claimRecord = v.object({ v: v.literal(1), build: id });
type Claim = v.InferOutput<typeof claimRecord>;

export class Claims {
  readonly #cache: KvCache<Claim>;

  /** `keys`: the bucket of the builds' records. */
  constructor(keys: KvStore, log: Logger) {
    this.#cache = new KvCache(new Records({ keys, prefix: "same", parse: recordParser(claimRecord) }), log);
  }

  /** Reads the claims of an earlier queue. Throws CbError "infrastructure". */
  load(): Promise<void> {
    return this.#cache.load();
  }

  entries(): { key: string; build: string }[] {
    return Array.from(this.#cache.entries(), ([key, { value }]) => ({ key, build: value.build }));
  }

  of(key: string): string | undefined {
    return this.#cache.get(key)?.value.build;
  }

  /**
   * Gives the key to this build, in place of the build that `of` shows. Throws StaleWriteError when another writer was first, and CbError
   * "infrastructure" without NATS. Succeeds too when the reply is lost and the claim can be read.
   */
  async take(key: string, build: string): Promise<void> {
    const before = this.#cache.get(key);
    try {
      if (before === undefined) await this.#cache.create(key, { v: 1, build });
      else await this.#cache.update(key, { v: 1, build }, before.revision);
    } catch (error) {
      if (this.of(key) !== build) throw error;
    }
  }

  /** Removes the claim if it is of this build. Throws CbError "infrastructure". */
  async release(key: string, build: string): Promise<void> {
    const stored = this.#cache.get(key);
    if (stored?.value.build !== build) return;
    await this.#cache.remove(key, stored.revision).catch((error: unknown) => {
      // Another request has taken the key meanwhile.
      if (!(error instanceof StaleWriteError)) throw error;
    });
  }
}

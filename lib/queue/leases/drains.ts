/** The pools that operators have drained. The records outlive the queue. */
import type { NatsConnection } from "nats";
import * as v from "valibot";
import type { Clock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { openKvStore } from "../../nats/jetstream/kv.ts";
import { KvCache } from "../../nats/jetstream/kv-cache.ts";
import { Records, recordParser } from "../../nats/jetstream/records.ts";
import type { Pool } from "../../pool/pool.ts";
import { count, line } from "../../protocol/fields.ts";

const drainRecord = v.object({ v: v.literal(1), operator: line, reason: line, atMs: count });
type Drain = v.InferOutput<typeof drainRecord>;

const BUCKET = "cb-drains";
/** A record takes 1 KiB at most, and there is one for each configured pool. JetStream reserves this space on the disk. */
const BUCKET_MAX_BYTES = 2 ** 20;

export interface DrainsOptions {
  readonly nc: NatsConnection;
  /** Of the bucket. */
  readonly replicas: number;
  readonly pools: ReadonlyMap<string, Pick<Pool, "setDrained">>;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Drains {
  readonly #cache: KvCache<Drain>;
  readonly #options: Pick<DrainsOptions, "pools" | "clock">;

  /** Reads the records and drains these pools, so call it before a pool is started. Throws CbError "infrastructure". */
  static async open({ nc, replicas, log, ...options }: DrainsOptions): Promise<Drains> {
    const keys = await openKvStore(nc, { bucket: BUCKET, replicas, maxBytes: BUCKET_MAX_BYTES });
    const cache = new KvCache(new Records({ keys, prefix: "pool", parse: recordParser(drainRecord) }), log);
    await cache.load();
    const drains = new Drains(cache, options);
    for (const pool of options.pools.keys()) drains.#apply(pool);
    return drains;
  }

  private constructor(cache: KvCache<Drain>, options: Pick<DrainsOptions, "pools" | "clock">) {
    this.#cache = cache;
    this.#options = options;
  }

  /** Undefined while the pool is not drained. */
  of(pool: string): Omit<Drain, "v"> | undefined {
    const drain = this.#cache.get(pool)?.value;
    return drain && { operator: drain.operator, reason: drain.reason, atMs: drain.atMs };
  }

  /** Throws CbError "usage" for a pool that is not configured, "infrastructure" without NATS. */
  async drain(operator: string, { pool, reason }: { pool: string; reason: string }): Promise<void> {
    this.#refuseUnknown(pool);
    const record: Drain = { v: 1, operator, reason, atMs: this.#options.clock.nowMs() };
    await this.#write(pool, async () => {
      const before = await this.#cache.refresh(pool);
      if (before === undefined) await this.#cache.create(pool, record);
      else await this.#cache.update(pool, record, before.revision);
    });
  }

  /** Throws CbError "usage" for a pool that is not drained, "infrastructure" without NATS. */
  async undrain(pool: string): Promise<void> {
    await this.#write(pool, async () => {
      const before = await this.#cache.refresh(pool);
      if (before !== undefined) return this.#cache.remove(pool, before.revision);
      this.#refuseUnknown(pool);
      throw new CbError("usage", `pool ${pool} is not drained`);
    });
  }

  /** After a failed write the pool follows the record too, if the cache could read it again. */
  async #write(pool: string, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } finally {
      this.#apply(pool);
    }
  }

  #apply(pool: string): void {
    const drain = this.#cache.get(pool)?.value;
    this.#options.pools.get(pool)?.setDrained(drain && drainText(pool, drain.reason));
  }

  #refuseUnknown(pool: string): void {
    const { pools } = this.#options;
    if (pools.has(pool)) return;
    throw new CbError("usage", `there is no pool ${pool}`, { hint: `the pools are: ${[...pools.keys()].join(", ")}` });
  }
}

/** As each waiting build shows it. */
const drainText = (pool: string, reason: string): string =>
  `pool ${pool} is drained${reason === "" ? " by an operator" : `: ${reason}`}`;

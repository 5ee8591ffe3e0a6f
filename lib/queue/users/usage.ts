/** The use of each user and month: one record each, written at the end of a build. */
import type { NatsConnection } from "nats";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import { type KvStore, openKvStore } from "../../nats/jetstream/kv.ts";
import { KvCache } from "../../nats/jetstream/kv-cache.ts";
import { Records, recordParser } from "../../nats/jetstream/records.ts";
import type { BuildRecord } from "../builds/record.ts";
import { dayOf, monthOf, type UsageRecord, usageRecord, withBuild } from "./usage-record.ts";

const BUCKET = "cb-usage";
/** A record takes 0.4 KiB, so this holds 6,000 active users in each of the kept months. JetStream reserves this space on the disk. */
const BUCKET_MAX_BYTES = 64 * 2 ** 20;
/** Two budget years. */
const KEPT_MONTHS = 24;
/** In memory: the running month, and the one before for builds that ended at its end. */
const CACHED_MONTHS = 2;
const PREFIX = "usage";

export interface UsageOptions {
  readonly nc: NatsConnection;
  /** Of the bucket. */
  readonly replicas: number;
  readonly builds: { get(build: string): BuildRecord | undefined };
  readonly clock: Clock;
  readonly log: Logger;
}

export class Usage {
  readonly #keys: KvStore;
  readonly #options: Omit<UsageOptions, "nc" | "replicas">;
  /** By month, the one that was needed first is the first. */
  readonly #months = new Map<string, KvCache<UsageRecord>>();
  /** Ends are counted one after the other, so that two of one user do not race. */
  #last: Promise<unknown> = Promise.resolve();

  /** Creates the bucket if it does not exist, and reads the running month. Throws CbError "infrastructure". */
  static async open({ nc, replicas, ...options }: UsageOptions): Promise<Usage> {
    const keys = await openKvStore(nc, { bucket: BUCKET, replicas, maxBytes: BUCKET_MAX_BYTES });
    const usage = new Usage(keys, options);
    await usage.#month(monthOf(options.clock.nowMs()));
    return usage;
  }

  private constructor(keys: KvStore, options: Omit<UsageOptions, "nc" | "replicas">) {
    this.#keys = keys;
    this.#options = options;
  }

  /** Adds an ended build. May be repeated until the build's record is `announced`. Throws CbError "infrastructure". */
  count(record: BuildRecord): Promise<void> {
    const counting = this.#last.then(() => this.#count(record));
    this.#last = counting.catch(() => undefined);
    return counting;
  }

  /** The use of the user in the running day and month, without builds that have not ended. */
  now(user: string): { dayBuilds: number; builderMs: number } {
    const nowMs = this.#options.clock.nowMs();
    const record = this.#months.get(monthOf(nowMs))?.get(user)?.value;
    if (record === undefined) return { dayBuilds: 0, builderMs: 0 };
    return { dayBuilds: record.day === dayOf(nowMs) ? record.dayBuilds : 0, builderMs: record.builderMs };
  }

  /** The records of a month by user. Throws CbError "infrastructure". */
  async ofMonth(month: string): Promise<Map<string, UsageRecord>> {
    const stored = await this.#records(month).all();
    return new Map([...stored].map(([user, { value }]) => [user, value]));
  }

  async #count(record: BuildRecord): Promise<void> {
    const { builds } = this.#options;
    const { user } = record;
    const cache = await this.#month(monthOf(record.endedAtMs ?? record.createdAtMs));
    if (cache.isInDoubt(user)) await cache.refresh(user);
    const before = cache.get(user);
    const next = withBuild(before?.value, record, (build) => builds.get(build)?.announced ?? true);
    if (next === undefined) return;
    if (before === undefined) await cache.create(user, next);
    else await cache.update(user, next, before.revision);
  }

  async #month(month: string): Promise<KvCache<UsageRecord>> {
    const known = this.#months.get(month);
    if (known !== undefined) return known;
    const cache = new KvCache(this.#records(month), this.#options.log);
    await cache.load();
    await this.#removeOld();
    this.#months.set(month, cache);
    for (const old of [...this.#months.keys()].sort().slice(0, -CACHED_MONTHS)) this.#months.delete(old);
    return cache;
  }

  /** Called when a month begins, and at the start of the queue. */
  async #removeOld(): Promise<void> {
    const oldest = monthBefore(this.#options.clock.nowMs(), KEPT_MONTHS);
    for (const key of await this.#keys.names(PREFIX)) {
      const [, month = ""] = key.split(".");
      const entry = month < oldest ? await this.#keys.get(key) : undefined;
      if (entry !== undefined) await this.#keys.remove(key, entry.revision);
    }
  }

  #records(month: string): Records<UsageRecord> {
    return new Records({ keys: this.#keys, prefix: `${PREFIX}.${month}`, parse: recordParser(usageRecord) });
  }
}

/** The month that many months before that of `atMs`. */
function monthBefore(atMs: number, months: number): string {
  const date = new Date(atMs);
  return monthOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - months));
}

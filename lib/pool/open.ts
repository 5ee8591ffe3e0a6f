/** Opens a pool on NATS: its buckets, its stream, and the events that wake it. */

import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { openKvStore } from "../nats/jetstream/kv.ts";
import { patterns } from "../protocol/subjects.ts";
import { Pool, type PoolDependencies } from "./pool.ts";
import { openJournal } from "./state/journal.ts";

/** Buckets of the records and of the slots. The operator's documentation names them. */
const BUILDERS_BUCKET = "cb-builders";
const SLOTS_BUCKET = "cb-slots";

/** A record takes less than 3 KiB, so this holds thousands of builders. NATS reserves it on disk. */
const BUILDERS_MAX_BYTES = 16 * 2 ** 20;
/** A claim takes 0.3 KiB. */
const SLOTS_MAX_BYTES = 4 * 2 ** 20;

export interface PoolOptions
  extends Omit<PoolDependencies, "builderKeys" | "slotKeys" | "journal" | "events" | "newId"> {
  readonly nc: NatsConnection;
  /** Replicas of the buckets and the stream: 1 on a single server, 3 in a cluster. */
  readonly replicas: number;
}

/**
 * Creates missing buckets and the stream, reads the records, and wakes the pool by its own lifecycle events. Another
 * publisher on that subject can wake it too, but no more: the message is not read, and the policy bounds the rate of
 * passes. Throws CbError "infrastructure" or "config", or the error of nats.js if the stream cannot be created.
 */
export async function openPool(options: PoolOptions): Promise<Pool> {
  const { nc, replicas } = options;
  return Pool.open({
    ...options,
    builderKeys: await openKvStore(nc, { bucket: BUILDERS_BUCKET, replicas, maxBytes: BUILDERS_MAX_BYTES }),
    slotKeys: await openKvStore(nc, { bucket: SLOTS_BUCKET, replicas, maxBytes: SLOTS_MAX_BYTES }),
    journal: await openJournal(nc, replicas, options.log),
    events: (wake) => {
      const events = nc.subscribe(patterns.builderState, { callback: wake });
      return () => events.unsubscribe();
    },
    newId: randomUUID,
  });
}

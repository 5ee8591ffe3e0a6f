/** A pool on real NATS: its buckets, its stream, and the events that wake it. */

import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { openKvStore } from "../nats/jetstream/kv.ts";
import { patterns } from "../protocol/subjects.ts";
import { Pool, type PoolParts } from "./pool.ts";
import { openJournal } from "./state/journal.ts";

/** Records of builders; slots. The names are ours and stand in the operator's documentation. */
const BUILDERS_BUCKET = "cb-builders";
const SLOTS_BUCKET = "cb-slots";

/** A record takes less than 3 KiB: room for thousands of builders. Reserved on disk, so no more. */
const BUILDERS_MAX_BYTES = 16 * 2 ** 20;
/** A claim takes 0.3 KiB. */
const SLOTS_MAX_BYTES = 4 * 2 ** 20;

export interface PoolOptions extends Omit<PoolParts, "builderKeys" | "slotKeys" | "journal" | "events" | "newId"> {
  readonly nc: NatsConnection;
  /** Of the buckets and the stream: 1 on a single server, 3 in a cluster. */
  readonly replicas: number;
}

/**
 * Makes what is missing, reads the records, and wakes the pool by its own lifecycle events. Whoever publishes on that
 * subject can wake it too, but only that: the message is not read, and the policy bounds how often it looks.
 * Throws CbError "infrastructure" or "config", or what nats.js throws when it cannot make the stream.
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

/**
 * Keys with revisions, as the records need them: every write says which revision it replaces, every read comes from the
 * leader of the stream. Made on the stock key-value store of nats.js; simulations bring their own.
 */

import { headers, type JetStreamClient, type JetStreamManager, type KV, type NatsConnection, NatsError } from "nats";
import { CbError, messageOf } from "../../core/errors.ts";

export interface KvEntry {
  readonly key: string;
  readonly value: string;
  readonly revision: number;
}

/** All throw CbError "infrastructure" when NATS does not answer: the write may then have happened or not. */
export interface KvStore {
  /** Everything under `prefix` (whole tokens), in no order. */
  list(prefix: string): Promise<KvEntry[]>;
  /** The keys of it alone; one that has just been removed may be among them. */
  names(prefix: string): Promise<string[]>;
  get(key: string): Promise<KvEntry | undefined>;
  /** The new revision; throws StaleWriteError if the key exists. */
  create(key: string, value: string): Promise<number>;
  /** The new revision; throws StaleWriteError unless `revision` is the newest. */
  update(key: string, value: string, revision: number): Promise<number>;
  /** Leaves nothing behind; throws StaleWriteError unless `revision` is the newest. */
  remove(key: string, revision: number): Promise<void>;
}

/** Somebody else wrote first: what was decided on is not what is there. Look again. */
export class StaleWriteError extends CbError {
  constructor(key: string, cause?: unknown) {
    super("infrastructure", `${key} has changed since it was read`, { hint: "look again, and decide anew", cause });
    this.name = "StaleWriteError";
  }
}

export interface BucketOptions {
  readonly bucket: string;
  /** 1 on a single server, 3 in a cluster. */
  readonly replicas: number;
  /** Reserved on the server's disk at once. */
  readonly maxBytes: number;
}

/** Opens the bucket and makes it if need be. Throws CbError "infrastructure". */
export async function openKvStore(nc: NatsConnection, options: BucketOptions): Promise<KvStore> {
  const { bucket, replicas, maxBytes } = options;
  return answered(`opening the bucket ${bucket}`, async () => {
    const settings = { history: 1, replicas, max_bytes: maxBytes, allow_direct: false };
    const js = nc.jetstream();
    return new NatsKeys({ bucket, js, kv: await js.views.kv(bucket, settings), jsm: await js.jetstreamManager() });
  });
}

class NatsKeys implements KvStore {
  readonly #js: JetStreamClient;
  readonly #kv: KV;
  readonly #jsm: JetStreamManager;
  readonly #bucket: string;

  constructor(parts: { js: JetStreamClient; kv: KV; jsm: JetStreamManager; bucket: string }) {
    this.#js = parts.js;
    this.#kv = parts.kv;
    this.#jsm = parts.jsm;
    this.#bucket = parts.bucket;
  }

  /** By stream info and reads from the leader: the stock listing needs a consumer, and may stop with one. */
  async list(prefix: string): Promise<KvEntry[]> {
    const entries: KvEntry[] = [];
    for (const key of await this.names(prefix)) {
      const entry = await this.get(key);
      if (entry) entries.push(entry);
    }
    return entries;
  }

  async names(prefix: string): Promise<string[]> {
    const under = `${this.#subject(prefix)}.>`;
    const info = await answered(`listing ${this.#bucket}`, () =>
      this.#jsm.streams.info(`KV_${this.#bucket}`, { subjects_filter: under }),
    );
    return Object.keys(info.state.subjects ?? {}).map((subject) => subject.slice(this.#subject("").length));
  }

  async get(key: string): Promise<KvEntry | undefined> {
    const entry = await answered(`reading ${key}`, () => this.#kv.get(key));
    return entry?.operation === "PUT" ? { key, value: entry.string(), revision: entry.revision } : undefined;
  }

  async create(key: string, value: string): Promise<number> {
    return answered(`creating ${key}`, () => this.#kv.create(key, value), key);
  }

  async update(key: string, value: string, revision: number): Promise<number> {
    return answered(`writing ${key}`, () => this.#kv.update(key, value, revision), key);
  }

  /**
   * The marker decides, as the stock client writes it; the purge takes it away again, which would stay for ever. Only up
   * to the marker itself: the key may have been made anew meanwhile. The stock delete does not tell its sequence.
   */
  async remove(key: string, revision: number): Promise<void> {
    const marker = headers();
    marker.set("KV-Operation", "DEL");
    const expect = { lastSubjectSequence: revision };
    const subject = this.#subject(key);
    const { seq } = await answered(
      `removing ${key}`,
      () => this.#js.publish(subject, "", { headers: marker, expect }),
      key,
    );
    await answered(`clearing ${key}`, () =>
      this.#jsm.streams.purge(`KV_${this.#bucket}`, { filter: subject, seq: seq + 1 }),
    );
  }

  #subject(key: string): string {
    return `$KV.${this.#bucket}.${key}`;
  }
}

/** "wrong last sequence" (nats-server errors.json). */
const WRONG_LAST_SEQUENCE = 10071;

async function answered<T>(what: string, call: () => Promise<T>, key?: string): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    const code = cause instanceof NatsError ? cause.api_error?.err_code : undefined;
    if (key !== undefined && code === WRONG_LAST_SEQUENCE) throw new StaleWriteError(key, cause);
    const hint = "is NATS up, with JetStream, and room on its disk?";
    throw new CbError("infrastructure", `${what} failed: ${messageOf(cause)}`, { hint, cause });
  }
}

/**
 * A key-value store with revisions: each write names the revision that it replaces, and each read is served by the
 * leader of the stream. Implemented with the key-value client of nats.js; simulations have an implementation of their
 * own.
 */

import { headers, type JetStreamClient, type JetStreamManager, type KV, type NatsConnection, NatsError } from "nats";
import { CbError, messageOf } from "../../core/errors.ts";
import { TOO_FEW_SERVERS_CODES } from "./stream-errors.ts";
import type { StreamHealth } from "./stream-health.ts";

export interface KvEntry {
  readonly key: string;
  readonly value: string;
  readonly revision: number;
}

/** All methods throw CbError "infrastructure" if NATS does not answer; a write may have been stored then. */
export interface KvStore {
  /** All entries under `prefix` (whole tokens), in no order. */
  list(prefix: string): Promise<KvEntry[]>;
  /** The keys under `prefix`. A key that has just been removed may be among them. */
  names(prefix: string): Promise<string[]>;
  get(key: string): Promise<KvEntry | undefined>;
  /** Returns the new revision. Throws StaleWriteError if the key exists. */
  create(key: string, value: string): Promise<number>;
  /** Returns the new revision. Throws StaleWriteError if `revision` is not the newest. */
  update(key: string, value: string, revision: number): Promise<number>;
  /** Removes the key and its history. Throws StaleWriteError if `revision` is not the newest. */
  remove(key: string, revision: number): Promise<void>;
}

/**
 * Another writer was first, so the decision was made on an old value. The caller reads the key again and decides again.
 */
export class StaleWriteError extends CbError {
  constructor(key: string, cause?: unknown) {
    super("infrastructure", `${key} has changed since it was read`, {
      hint: "read it again, then repeat the change",
      cause,
    });
    this.name = "StaleWriteError";
  }
}

export interface BucketOptions {
  readonly bucket: string;
  /** 1 on a single server, 3 in a cluster. */
  readonly replicas: number;
  /** The server reserves this on its disk at once. */
  readonly maxBytes: number;
  /** Learns whether the stream of the bucket answers, and refuses calls at once while it does not. */
  readonly health?: StreamHealth;
}

/** Opens the bucket, and creates it if it does not exist. Throws CbError "infrastructure". */
export async function openKvStore(nc: NatsConnection, options: BucketOptions): Promise<KvStore> {
  const { bucket, replicas, maxBytes, health } = options;
  return withKvErrors(`opening the bucket ${bucket} with ${replicas} replicas`, async () => {
    const settings = { history: 1, replicas, max_bytes: maxBytes, allow_direct: false };
    const js = nc.jetstream();
    const clients = { js, kv: await js.views.kv(bucket, settings), jsm: await js.jetstreamManager() };
    return new NatsKvStore({ bucket, health, ...clients });
  });
}

interface NatsKvStoreOptions {
  readonly js: JetStreamClient;
  readonly kv: KV;
  readonly jsm: JetStreamManager;
  readonly bucket: string;
  readonly health: StreamHealth | undefined;
}

class NatsKvStore implements KvStore {
  readonly #js: JetStreamClient;
  readonly #kv: KV;
  readonly #jsm: JetStreamManager;
  readonly #bucket: string;
  readonly #health: StreamHealth | undefined;

  constructor(clients: NatsKvStoreOptions) {
    this.#js = clients.js;
    this.#kv = clients.kv;
    this.#jsm = clients.jsm;
    this.#bucket = clients.bucket;
    this.#health = clients.health;
  }

  /**
   * Uses stream info and reads from the leader. The listing of nats.js needs a consumer, and never ends if that is
   * lost.
   */
  async list(prefix: string): Promise<KvEntry[]> {
    const entries: KvEntry[] = [];
    for (const key of await this.names(prefix)) {
      const entry = await this.get(key);
      if (entry) entries.push(entry);
    }
    return entries;
  }

  async names(prefix: string): Promise<string[]> {
    const filter = `${this.#subject(prefix)}.>`;
    const info = await this.#call(`listing ${this.#bucket}`, () =>
      this.#jsm.streams.info(`KV_${this.#bucket}`, { subjects_filter: filter }),
    );
    return Object.keys(info.state.subjects ?? {}).map((subject) => subject.slice(this.#subject("").length));
  }

  async get(key: string): Promise<KvEntry | undefined> {
    const entry = await this.#call(`reading ${key}`, () => this.#kv.get(key));
    return entry?.operation === "PUT" ? { key, value: entry.string(), revision: entry.revision } : undefined;
  }

  async create(key: string, value: string): Promise<number> {
    return this.#call(`creating ${key}`, () => this.#kv.create(key, value), key);
  }

  async update(key: string, value: string, revision: number): Promise<number> {
    return this.#call(`writing ${key}`, () => this.#kv.update(key, value, revision), key);
  }

  /**
   * Writes a delete marker as nats.js does, with the expected revision, then purges the subject up to the marker, which
   * would stay for ever otherwise. It purges no further, because the key may have been created again. The delete of
   * nats.js is not used, because it does not return the sequence of its marker.
   */
  async remove(key: string, revision: number): Promise<void> {
    const marker = headers();
    marker.set("KV-Operation", "DEL");
    const expect = { lastSubjectSequence: revision };
    const subject = this.#subject(key);
    const { seq } = await this.#call(
      `removing ${key}`,
      () => this.#js.publish(subject, "", { headers: marker, expect }),
      key,
    );
    await this.#call(`clearing ${key}`, () =>
      this.#jsm.streams.purge(`KV_${this.#bucket}`, { filter: subject, seq: seq + 1 }),
    );
  }

  #call<T>(operation: string, work: () => Promise<T>, key?: string): Promise<T> {
    const health = this.#health;
    return withKvErrors(operation, () => health?.call(`KV_${this.#bucket}`, work) ?? work(), key);
  }

  #subject(key: string): string {
    return `$KV.${this.#bucket}.${key}`;
  }
}

/** "wrong last sequence" (nats-server errors.json). */
const WRONG_LAST_SEQUENCE = 10071;

async function withKvErrors<T>(operation: string, call: () => Promise<T>, key?: string): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    const code = cause instanceof NatsError ? cause.api_error?.err_code : undefined;
    if (key !== undefined && code === WRONG_LAST_SEQUENCE) throw new StaleWriteError(key, cause);
    // It names the stream and the remedy.
    if (cause instanceof CbError) throw cause;
    const hint = TOO_FEW_SERVERS_CODES.includes(code ?? 0)
      ? "JetStream has fewer servers than replicas: are all NATS hosts running? (docs/operations.md, Three NATS hosts)"
      : "is NATS running, with JetStream enabled and free space on its disk?";
    throw new CbError("infrastructure", `${operation} failed: ${messageOf(cause)}`, { hint, cause });
  }
}

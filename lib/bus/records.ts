/**
 * Records in JetStream KV, each written with the revision it was decided on: of two writers one fails, looks again and
 * decides anew.
 */
import { type KV, type NatsConnection, NatsError } from "nats";
import { CbError } from "../errors.ts";
import { decode, encode, type Schema } from "./codec.ts";

export interface Stored<T> {
  readonly value: T;
  readonly revision: number;
}

/** Somebody else wrote first. Not a CbError: whoever writes must look again, and nobody else ever sees it. */
export class StaleWrite extends Error {
  constructor(bucket: string, key: string, cause: unknown) {
    super(`${bucket}/${key} was changed by somebody else`, { cause });
    this.name = "StaleWrite";
  }
}

/** JetStream's "wrong last sequence" (nats-server's errors.json). */
const WRONG_LAST_SEQUENCE = 10071;

export class Records<T> {
  readonly #kv: KV;
  readonly #bucket: string;
  readonly #schema: Schema<T>;

  private constructor(kv: KV, bucket: string, schema: Schema<T>) {
    this.#kv = kv;
    this.#bucket = bucket;
    this.#schema = schema;
  }

  /** Makes the bucket if it is not there. */
  static async open<T>(
    nc: NatsConnection,
    options: { bucket: string; schema: Schema<T>; replicas: number },
  ): Promise<Records<T>> {
    const kv = await nc.jetstream().views.kv(options.bucket, { history: 1, replicas: options.replicas });
    return new Records(kv, options.bucket, options.schema);
  }

  /** All there are. Throws CbError "infrastructure" on a record that this version cannot read: it must not be guessed at. */
  async all(): Promise<Map<string, Stored<T>>> {
    const found = new Map<string, Stored<T>>();
    for await (const key of await this.#kv.keys()) {
      const stored = await this.get(key);
      if (stored !== undefined) found.set(key, stored);
    }
    return found;
  }

  async get(key: string): Promise<Stored<T> | undefined> {
    const entry = await this.#kv.get(key);
    if (entry === null || entry.operation !== "PUT") return undefined;
    const what = `record ${this.#bucket}/${key}`;
    try {
      return { value: decode(this.#schema, entry.value, what), revision: entry.revision };
    } catch (cause) {
      throw new CbError("infrastructure", `${what} cannot be read`, {
        cause,
        hint: "was it written by a newer version?",
      });
    }
  }

  /** The new revision. Throws StaleWrite when the key exists. */
  create(key: string, value: T): Promise<number> {
    return this.#guard(key, () => this.#kv.create(key, encode(value)));
  }

  /** The new revision. Throws StaleWrite when the key is no longer at `revision`. */
  update(key: string, value: T, revision: number): Promise<number> {
    return this.#guard(key, () => this.#kv.update(key, encode(value), revision));
  }

  /** Leaves nothing of the key behind. Throws StaleWrite when it is no longer at `revision`. */
  remove(key: string, revision: number): Promise<void> {
    return this.#guard(key, () => this.#kv.purge(key, { previousSeq: revision }));
  }

  async #guard<R>(key: string, write: () => Promise<R>): Promise<R> {
    try {
      return await write();
    } catch (error) {
      const code = error instanceof NatsError ? error.api_error?.err_code : undefined;
      if (code === WRONG_LAST_SEQUENCE) throw new StaleWrite(this.#bucket, key, error);
      throw error;
    }
  }
}

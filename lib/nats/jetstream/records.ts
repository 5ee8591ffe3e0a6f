/**
 * Typed records under one prefix of a key-value bucket. Each is written with the revision it was decided on: of two
 * writers one fails with StaleWriteError, looks again and decides anew.
 */
import { CbError } from "../../core/errors.ts";
import { decode, encode, type Schema } from "../../protocol/codec.ts";
import type { KvStore } from "./kv.ts";

export interface StoredRecord<T> {
  readonly value: T;
  readonly revision: number;
}

export class Records<T> {
  readonly #keys: KvStore;
  readonly #prefix: string;
  readonly #schema: Schema<T>;

  /** `prefix` is one token; a record's key is `<prefix>.<id>`. */
  constructor(keys: KvStore, prefix: string, schema: Schema<T>) {
    this.#keys = keys;
    this.#prefix = prefix;
    this.#schema = schema;
  }

  /** All there are, by id. Throws CbError "infrastructure" as `get`. */
  async all(): Promise<Map<string, StoredRecord<T>>> {
    const entries = await this.#keys.list(this.#prefix);
    return new Map(
      entries.map(({ key, value, revision }) => [this.#id(key), { value: this.#read(key, value), revision }]),
    );
  }

  /** The ids alone: values may be large. */
  async ids(): Promise<string[]> {
    return (await this.#keys.names(this.#prefix)).map((key) => this.#id(key));
  }

  /** Throws CbError "infrastructure" without NATS, and on a record that this version cannot read: it is not guessed at. */
  async get(id: string): Promise<StoredRecord<T> | undefined> {
    const entry = await this.#keys.get(this.#key(id));
    return entry === undefined ? undefined : { value: this.#read(entry.key, entry.value), revision: entry.revision };
  }

  /** The new revision. Throws StaleWriteError when the record exists. */
  create(id: string, value: T): Promise<number> {
    return this.#keys.create(this.#key(id), text(value));
  }

  /** The new revision. Throws StaleWriteError when the record is no longer at `revision`. */
  update(id: string, value: T, revision: number): Promise<number> {
    return this.#keys.update(this.#key(id), text(value), revision);
  }

  /** Leaves nothing behind. Throws StaleWriteError when the record is no longer at `revision`. */
  remove(id: string, revision: number): Promise<void> {
    return this.#keys.remove(this.#key(id), revision);
  }

  #key(id: string): string {
    return `${this.#prefix}.${id}`;
  }

  #id(key: string): string {
    return key.slice(this.#prefix.length + 1);
  }

  #read(key: string, value: string): T {
    try {
      return decode(this.#schema, Buffer.from(value), `record ${key}`);
    } catch (cause) {
      throw new CbError("infrastructure", `record ${key} cannot be read`, {
        cause,
        hint: `written by a newer version, or by hand? Look at it with "nats kv get", and remove it to give up what it stands for`,
      });
    }
  }
}

const text = (value: unknown): string => Buffer.from(encode(value)).toString();

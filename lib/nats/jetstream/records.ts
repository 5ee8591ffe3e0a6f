/**
 * Typed records under one prefix of a key-value bucket, read from and written to NATS with every call. KvCache keeps
 * such records in memory; use this class alone for values that are too large for that.
 *
 * Each write names the revision that it was decided on. Of two writers one fails with StaleWriteError; it reads the
 * record again and decides again.
 */
import { CbError } from "../../core/errors.ts";
import { decode, type Schema } from "../../protocol/codec.ts";
import type { KvStore } from "./kv.ts";

export interface StoredRecord<T> {
  readonly value: T;
  readonly revision: number;
}

export interface RecordsOptions<T> {
  readonly keys: KvStore;
  /** One token of a subject. The key of a record is `<prefix>.<id>`. */
  readonly prefix: string;
  /** Throws CbError, with the key in its message, if the text is not a valid record. */
  readonly parse: (text: string, key: string) => T;
}

/**
 * All methods throw CbError "infrastructure" if NATS does not answer. Those that read also throw the errors of `parse`.
 */
export class Records<T> {
  readonly #options: RecordsOptions<T>;

  constructor(options: RecordsOptions<T>) {
    this.#options = options;
  }

  /** All records by id. */
  async all(): Promise<Map<string, StoredRecord<T>>> {
    const { keys, prefix, parse } = this.#options;
    const entries = await keys.list(prefix);
    return new Map(entries.map(({ key, value, revision }) => [this.#id(key), { value: parse(value, key), revision }]));
  }

  /** The ids without the values, which may be large. */
  async ids(): Promise<string[]> {
    return (await this.#options.keys.names(this.#options.prefix)).map((key) => this.#id(key));
  }

  async get(id: string): Promise<StoredRecord<T> | undefined> {
    const entry = await this.#options.keys.get(this.keyOf(id));
    return entry && { value: this.#options.parse(entry.value, entry.key), revision: entry.revision };
  }

  /** Returns the new revision. Throws StaleWriteError if the record exists. */
  create(id: string, value: T): Promise<number> {
    return this.#options.keys.create(this.keyOf(id), JSON.stringify(value));
  }

  /** Returns the new revision. Throws StaleWriteError if `revision` is not the newest. */
  update(id: string, value: T, revision: number): Promise<number> {
    return this.#options.keys.update(this.keyOf(id), JSON.stringify(value), revision);
  }

  /** Removes the key and its history. Throws StaleWriteError if `revision` is not the newest. */
  remove(id: string, revision: number): Promise<void> {
    return this.#options.keys.remove(this.keyOf(id), revision);
  }

  keyOf(id: string): string {
    return `${this.#options.prefix}.${id}`;
  }

  #id(key: string): string {
    return key.slice(this.#options.prefix.length + 1);
  }
}

/**
 * A `parse` for records with a schema. It throws CbError "infrastructure" on a record that this version cannot read,
 * because a guess could lose a build or a user.
 */
export function recordParser<T>(schema: Schema<T>): RecordsOptions<T>["parse"] {
  return (text, key) => {
    try {
      return decode(schema, Buffer.from(text), `record ${key}`);
    } catch (cause) {
      throw new CbError("infrastructure", `record ${key} cannot be read`, {
        cause,
        hint: `was it written by a newer version, or by hand? Read it with "nats kv get". If the queue can do without it, remove it`,
      });
    }
  };
}

/** The users that operators have added and revoked with cb-admin. A user with a credential from elsewhere is not listed. */
import type { NatsConnection } from "nats";
import * as v from "valibot";
import type { Clock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { openKvStore } from "../../nats/jetstream/kv.ts";
import { KvCache } from "../../nats/jetstream/kv-cache.ts";
import { Records, recordParser, type StoredRecord } from "../../nats/jetstream/records.ts";
import { count, userKey, userName } from "../../protocol/fields.ts";

/**
 * One name with its newest key. `revokedAtMs`: since then the queue refuses the name. `natsRevokedAtMs`: since then NATS
 * refuses the key, too. Only after that may the name get a new key, because a request identifies its user by the name alone.
 */
const userRecord = v.object({
  v: v.literal(1),
  name: userName,
  publicKey: userKey,
  createdAtMs: count,
  revokedAtMs: v.optional(count),
  natsRevokedAtMs: v.optional(count),
  /** The newest JWT of that key was issued then; absent: at `createdAtMs`. */
  renewedAtMs: v.optional(count),
});
export type UserRecord = v.InferOutput<typeof userRecord>;

const BUCKET = "cb-users";
/** A record takes 0.5 KiB, including the overhead of JetStream, which reserves this space on the disk. */
const BUCKET_MAX_BYTES = 16 * 2 ** 20;
/** The list of so many users fits into one message, with space left. */
const USERS_MAX = 10_000;

export interface UsersOptions {
  readonly nc: NatsConnection;
  /** Of the bucket. */
  readonly replicas: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Users {
  readonly #cache: KvCache<UserRecord>;
  readonly #clock: Clock;

  /** Creates the bucket if it does not exist, and reads it. Throws CbError "infrastructure". */
  static async open({ nc, replicas, clock, log }: UsersOptions): Promise<Users> {
    const keys = await openKvStore(nc, { bucket: BUCKET, replicas, maxBytes: BUCKET_MAX_BYTES });
    const cache = new KvCache(new Records({ keys, prefix: "user", parse: recordParser(userRecord) }), log);
    await cache.load();
    return new Users(cache, clock);
  }

  private constructor(cache: KvCache<UserRecord>, clock: Clock) {
    this.#cache = cache;
    this.#clock = clock;
  }

  /** Sorted by name. */
  all(): UserRecord[] {
    const users = Array.from(this.#cache.entries(), ([, { value }]) => value);
    return users.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  isRevoked(name: string): boolean {
    return this.#cache.get(name)?.value.revokedAtMs !== undefined;
  }

  /** Returns the name. Throws CbError "denied" when it is revoked. */
  served(name: string): string {
    if (!this.isRevoked(name)) return name;
    throw new CbError("denied", `the user ${name} has been revoked`, { hint: "ask your operator" });
  }

  /** May be repeated with the same key. Throws CbError "usage" while the name is taken, or NATS still accepts its old key. */
  async add(name: string, publicKey: string): Promise<void> {
    const before = await this.#cache.refresh(name);
    if (before?.value.publicKey === publicKey && before.value.revokedAtMs === undefined) return;
    refuseTaken(before?.value);
    if (before === undefined && this.#cache.size >= USERS_MAX) {
      throw new CbError("usage", `there are ${USERS_MAX} users, which is the most`);
    }
    const record: UserRecord = { v: 1, name, publicKey, createdAtMs: this.#clock.nowMs() };
    await this.#write(record, before);
  }

  /** The record of a user that may use the queue with that key. */
  active(name: string, publicKey: string): UserRecord | undefined {
    const user = this.#cache.get(name)?.value;
    return user?.publicKey === publicKey && user.revokedAtMs === undefined ? user : undefined;
  }

  /** A new JWT was issued for the user's key at that time. Returns false when the name has another key by now, or is revoked. */
  async recordRenewal(name: string, { publicKey, atMs }: { publicKey: string; atMs: number }): Promise<boolean> {
    const before = await this.#existing(name);
    const { value } = before;
    if (value.publicKey !== publicKey || value.revokedAtMs !== undefined) return false;
    await this.#write({ ...value, renewedAtMs: Math.max(atMs, value.renewedAtMs ?? 0) }, before);
    return true;
  }

  /** Keeps the time of the first revocation. Throws CbError "usage" when there is no such user. */
  async revoke(name: string): Promise<UserRecord> {
    const before = await this.#existing(name);
    if (before.value.revokedAtMs !== undefined) return before.value;
    // NATS compares this time with the JWT's issue time, which may be later after the clock was set back.
    const { createdAtMs, renewedAtMs = createdAtMs } = before.value;
    const revokedAtMs = Math.max(this.#clock.nowMs(), renewedAtMs);
    return this.#write({ ...before.value, revokedAtMs }, before);
  }

  /** NATS refuses that key now. Changes nothing when the name has another key by now, or is not revoked. */
  async recordNatsRevocation(name: string, publicKey: string): Promise<UserRecord> {
    const before = await this.#existing(name);
    const { value } = before;
    if (value.publicKey !== publicKey || value.revokedAtMs === undefined || value.natsRevokedAtMs !== undefined)
      return value;
    return this.#write({ ...value, natsRevokedAtMs: this.#clock.nowMs() }, before);
  }

  async #existing(name: string): Promise<StoredRecord<UserRecord>> {
    const found = await this.#cache.refresh(name);
    if (found !== undefined) return found;
    throw new CbError("usage", `no user ${name} is known`, { hint: "see all users with: cb-admin user list" });
  }

  async #write(record: UserRecord, before: StoredRecord<UserRecord> | undefined): Promise<UserRecord> {
    const { name } = record;
    const stored = before
      ? await this.#cache.update(name, record, before.revision)
      : await this.#cache.create(name, record);
    return stored.value;
  }
}

function refuseTaken(user: UserRecord | undefined): void {
  if (user === undefined || user.natsRevokedAtMs !== undefined) return;
  const { name, createdAtMs, revokedAtMs } = user;
  if (revokedAtMs === undefined) {
    throw new CbError("usage", `there is a user ${name} already, since ${new Date(createdAtMs).toISOString()}`, {
      hint: `revoke it and make a new credential with: cb-admin user add --force ${name}`,
    });
  }
  throw new CbError("usage", `the user ${name} is revoked, but NATS may still let its old credential in`, {
    hint: `finish that first, with the operator key at hand: cb-admin user revoke ${name}`,
  });
}

/** `admin.add-user`, `admin.revoke-user`, `admin.users`: the users that operators add and revoke. */

import type { Logger } from "../../core/log.ts";
import type { Issuer } from "../../nats/credentials/issuer.ts";
import type { UsersReply } from "../../protocol/admin-messages.ts";
import type { RevokedBuilds } from "../users/revoked-builds.ts";
import type { UserRecord, Users } from "../users/users.ts";

export interface AdminUsersOptions {
  readonly users: Users;
  readonly revokedBuilds: RevokedBuilds;
  readonly issuer: Issuer;
  readonly log: Logger;
}

export class AdminUsers {
  readonly #options: AdminUsersOptions;

  constructor(options: AdminUsersOptions) {
    this.#options = options;
  }

  /** Throws CbError "usage" while the name is taken, or its old key may still connect. */
  async add(
    operator: string,
    { name, publicKey }: { name: string; publicKey: string },
  ): Promise<{ v: 1; jwt: string }> {
    const { users, revokedBuilds, issuer, log } = this.#options;
    // The new user of this name must not get the builds of a revoked one.
    if (users.isRevoked(name)) await revokedBuilds.cancelBuildsOf(name);
    // Signed before the record is written: a revocation covers JWTs issued up to a time, and the record holds that time.
    const jwt = issuer.userJwt(name, publicKey);
    await users.add(name, publicKey);
    log.info({ operator, user: name, publicKey }, "user added");
    return { v: 1, jwt };
  }

  /**
   * Without `revokedKey` the queue refuses the user from now on. With it, the operator has revoked that key in NATS, and the
   * reply waits until the user's builds have ended. Throws CbError "usage" for an unknown user.
   */
  async revoke(
    operator: string,
    { name, revokedKey }: { name: string; revokedKey?: string | undefined },
  ): Promise<{ v: 1; publicKey: string; revokedAtMs: number; builds: number }> {
    const { revokedBuilds, log } = this.#options;
    const builds = revokedBuilds.countLive(name);
    const record = await (revokedKey === undefined
      ? this.#revokeInQueue(name)
      : this.#recordNatsRevocation(name, revokedKey));
    const { publicKey, createdAtMs, revokedAtMs = createdAtMs } = record;
    log.warn({ operator, user: name, publicKey, revokedKey, builds }, "user revoked");
    return { v: 1, publicKey, revokedAtMs, builds };
  }

  list(): UsersReply {
    return { v: 1, users: this.#options.users.all().map(entryOf) };
  }

  /** Does not wait for the end of the builds: the operator must be able to revoke the key in NATS as soon as possible. */
  async #revokeInQueue(name: string): Promise<UserRecord> {
    const record = await this.#options.users.revoke(name);
    void this.#options.revokedBuilds.cancelBuildsOf(name);
    return record;
  }

  /** Does not revoke the name: another operator may have finished the revocation and given the name a new key. */
  async #recordNatsRevocation(name: string, revokedKey: string): Promise<UserRecord> {
    const { users, revokedBuilds } = this.#options;
    if (users.isRevoked(name)) await revokedBuilds.cancelBuildsOf(name);
    return users.recordNatsRevocation(name, revokedKey);
  }
}

function entryOf({ v: _, ...user }: UserRecord): UsersReply["users"][number] {
  return user;
}

/** Renews the credential of a user who uses it: after the signing key was replaced, and when users got further rights. */
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { Issuer } from "../../nats/credentials/issuer.ts";
import { type Claims, readClaims } from "../../nats/credentials/jwt.ts";
import type { Users } from "./users.ts";

export interface CredentialRenewalOptions {
  readonly users: Users;
  readonly issuer: Issuer;
  readonly clock: Clock;
  readonly log: Logger;
}

export class CredentialRenewal {
  readonly #options: CredentialRenewalOptions;

  constructor(options: CredentialRenewalOptions) {
    this.#options = options;
  }

  /**
   * The part of a reply to `user` that renews this JWT. Empty when the JWT is as the queue would sign it, is not for the key on the
   * list of users, or expires: cb-admin issues none that expires. Never throws, because the request itself does not depend on it.
   */
  async renew(user: string, jwt: string | undefined): Promise<{ renewedCredential?: string }> {
    const claims = jwt === undefined ? undefined : parse(jwt);
    if (claims === undefined || claims.exp !== undefined) return {};
    const { users, issuer, log } = this.#options;
    if (users.active(user, claims.sub) === undefined || issuer.isCurrentUser({ name: user, claims })) return {};
    try {
      return await this.#issue(user, claims.sub);
    } catch (error) {
      log.warn({ user, reason: messageOf(error) }, "a user's credential was not renewed; its next request tries again");
      return {};
    }
  }

  /**
   * Signed before the record is written: a revocation covers JWTs issued up to a time, and takes that time from the record. When both
   * meet, the write of one fails by the record's revision.
   */
  async #issue(user: string, publicKey: string): Promise<{ renewedCredential?: string }> {
    const { users, issuer, clock, log } = this.#options;
    const atMs = clock.nowMs();
    const renewedCredential = issuer.userJwt(user, publicKey);
    if (!(await users.recordRenewal(user, { publicKey, atMs }))) return {};
    log.info({ user, publicKey }, "user's credential renewed");
    return { renewedCredential };
  }
}

function parse(jwt: string): Claims | undefined {
  try {
    return readClaims(jwt);
  } catch {
    return undefined;
  }
}

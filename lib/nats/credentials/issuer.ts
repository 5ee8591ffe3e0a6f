/** Issues the credentials of users, builders and builds. Its signing key can grant any access to GUEST, so only the queue has it. */
import { readFile } from "node:fs/promises";
import { CbError, messageOf } from "../../core/errors.ts";
import {
  type BuildRole,
  builderPermissions,
  buildPermissions,
  type Rights,
  userPermissions,
} from "../../protocol/permissions.ts";
import { formatCreds } from "./creds.ts";
import { type Claims, isUserJwtLike, userJwt } from "./jwt.ts";
import { createKey, keyFromSeed, type NKey } from "./nkey.ts";

export interface IssuerOptions {
  /** Public key of the account GUEST. */
  readonly guestAccount: string;
  /** A signing key of GUEST. The account's own key stays offline. */
  readonly signingKey: NKey;
  readonly nowMs: () => number;
}

export interface IssuedCreds {
  readonly publicKey: string;
  /** The text of a credential file. Secret. */
  readonly creds: string;
}

export interface BuildGrant {
  readonly build: string;
  readonly role: BuildRole;
  /** The build with the packed tree that the agent may read. */
  readonly tree?: string | undefined;
  /** Public half of the key pair that the caller or the agent made. */
  readonly publicKey: string;
  readonly expiresAtMs: number;
}

export class Issuer {
  readonly #options: IssuerOptions;

  constructor(options: IssuerOptions) {
    this.#options = options;
  }

  /** A user's credential, valid until `expiresAtMs` or until it is revoked. Throws CbError "usage" on an invalid name. */
  userCreds(name: string, expiresAtMs?: number): IssuedCreds {
    const key = createKey("user");
    return this.#creds(key, this.#sign(name, key.publicKey, userPermissions(name, key.publicKey), expiresAtMs));
  }

  /** A user's JWT for a key pair made by an operator, who keeps the seed. Throws CbError "usage" on an invalid name or key. */
  userJwt(name: string, publicKey: string): string {
    return this.#sign(name, publicKey, userPermissions(name, publicKey), undefined);
  }

  /** Whether these claims of a user have the signer and the rights that userJwt() would give them now. */
  isCurrentUser({ name, claims }: { name: string; claims: Claims }): boolean {
    const { signingKey, guestAccount } = this.#options;
    return isUserJwtLike(claims, userPermissions(name, claims.sub), signingKey, guestAccount);
  }

  /** A builder's credential, which its machine gets in the user data. Throws CbError "usage" on an invalid id. */
  builderCreds(builder: string, expiresAtMs: number): IssuedCreds {
    const key = createKey("user");
    const rights = builderPermissions(builder, key.publicKey);
    return this.#creds(key, this.#sign(`builder ${builder}`, key.publicKey, rights, expiresAtMs));
  }

  /** A JWT for one build and one key. Throws CbError "usage" on an invalid id or if `publicKey` is not that of a user. */
  buildJwt(grant: BuildGrant): string {
    const rights = buildPermissions(grant.role, grant, grant.publicKey);
    return this.#sign(`${grant.role} ${grant.build}`, grant.publicKey, rights, grant.expiresAtMs);
  }

  /** Signs data of another kind than a JWT. Its first bytes are to name the kind. */
  sign(data: Uint8Array): Buffer {
    return this.#options.signingKey.sign(data);
  }

  #sign(name: string, publicKey: string, rights: Rights, expiresAtMs: number | undefined): string {
    const issuedAtMs = this.#options.nowMs();
    const subject = { name, publicKey, issuedAtMs, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) };
    return userJwt(subject, rights, this.#options.signingKey, this.#options.guestAccount);
  }

  #creds(key: NKey, jwt: string): IssuedCreds {
    return { publicKey: key.publicKey, creds: formatCreds(jwt, key) };
  }
}

/** Reads a seed file. Throws CbError "config" when it is missing, unreadable or has no seed. */
export async function readKeyFile(path: string): Promise<NKey> {
  try {
    return keyFromSeed((await readFile(path, "utf8")).trim());
  } catch (error) {
    throw new CbError("config", `cannot read the key file ${path}: ${messageOf(error)}`, {
      hint: "it is created with the installation's keys and readable only by the user that runs the queue",
      cause: error,
    });
  }
}

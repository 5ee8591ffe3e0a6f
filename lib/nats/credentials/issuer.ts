/** Issues the credentials of users, builders and builds. Whoever holds an Issuer can let anybody in: the queue alone. */
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
import { userJwt } from "./jwt.ts";
import { createKey, keyFromSeed, type NKey } from "./nkey.ts";

export interface IssuerOptions {
  /** Public key of the account GUEST. */
  readonly guestAccount: string;
  /** A signing key of GUEST; not the account's own key, which stays offline. */
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
  /** Of the key pair that the caller or the agent made for itself. */
  readonly publicKey: string;
  readonly expiresAtMs: number;
}

export class Issuer {
  readonly #options: IssuerOptions;

  constructor(options: IssuerOptions) {
    this.#options = options;
  }

  /** A user's credential, valid until `expiresAtMs` or until it is revoked. Throws CbError "usage" on a bad name. */
  userCreds(name: string, expiresAtMs?: number): IssuedCreds {
    const key = createKey("user");
    return this.#creds(key, this.#sign(name, key.publicKey, userPermissions(name, key.publicKey), expiresAtMs));
  }

  /** A user's JWT for a key that somebody else keeps the seed of. Throws CbError "usage" on a bad name or key. */
  userJwt(name: string, publicKey: string): string {
    return this.#sign(name, publicKey, userPermissions(name, publicKey), undefined);
  }

  /** What a builder asks with. It travels in the machine's user data. Throws CbError "usage" on a bad id. */
  builderCreds(builder: string, expiresAtMs: number): IssuedCreds {
    const key = createKey("user");
    const rights = builderPermissions(builder, key.publicKey);
    return this.#creds(key, this.#sign(`builder ${builder}`, key.publicKey, rights, expiresAtMs));
  }

  /** JWT for one build and one key. Throws CbError "usage" on a bad id or when `publicKey` is no user's public key. */
  buildJwt(grant: BuildGrant): string {
    const rights = buildPermissions(grant.role, grant.build, grant.publicKey);
    return this.#sign(`${grant.role} ${grant.build}`, grant.publicKey, rights, grant.expiresAtMs);
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

/** Reads a seed file. Throws CbError "config" when it is missing, unreadable or holds no seed. */
export async function readKeyFile(path: string): Promise<NKey> {
  try {
    return keyFromSeed((await readFile(path, "utf8")).trim());
  } catch (error) {
    throw new CbError("config", `cannot read the key file ${path}: ${messageOf(error)}`, {
      hint: "it is made with the installation's keys and readable only to the account that runs the queue",
      cause: error,
    });
  }
}

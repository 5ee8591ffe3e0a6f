/** Signs a credential again, for the same key: after a new signing key, and when a new version gives its holder further rights. */
import { formatCreds, parseCreds } from "../../lib/nats/credentials/creds.ts";
import { isUserJwtLike, readClaims, userJwt } from "../../lib/nats/credentials/jwt.ts";
import type { NKey } from "../../lib/nats/credentials/nkey.ts";
import type { Rights } from "../../lib/protocol/permissions.ts";

export interface AccountSigner {
  readonly signingKey: NKey;
  /** Public key of the account. */
  readonly account: string;
  readonly nowMs: number;
}

export interface SignedCreds {
  /** Names the file in messages. */
  readonly path: string;
  readonly text: string;
  /** The rights that its holder has in this version. */
  readonly rights: (name: string, publicKey: string) => Rights;
}

/** The new text of a credential file; undefined when this signer has signed it with these rights. Throws CbError "config" as parseCreds. */
export function signedAgain({ path, text, rights }: SignedCreds, { signingKey, account, nowMs }: AccountSigner) {
  const { jwt, key, name } = parseCreds(text, path);
  const wanted = rights(name, key.publicKey);
  if (isUserJwtLike(readClaims(jwt), wanted, signingKey, account)) return undefined;
  return formatCreds(userJwt({ name, publicKey: key.publicKey, issuedAtMs: nowMs }, wanted, signingKey, account), key);
}

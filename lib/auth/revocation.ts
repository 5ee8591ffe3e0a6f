/** The JWT of an account with one more user key that NATS refuses. Pure. */
import type { Account } from "@nats-io/jwt";
import { accountJwt, readClaims } from "./jwt.ts";
import type { NKey } from "./nkey.ts";

export interface Revocation {
  readonly publicKey: string;
  /** Whatever was issued for the key up to this second is refused. */
  readonly atMs: number;
}

export interface Signing {
  /** Of the operator. */
  readonly operatorKey: NKey;
  readonly nowMs: number;
}

/** Whether the account refuses what was issued for that key up to that time. Throws CbError "config" on no JWT. */
export function isRevoked(jwt: string, { publicKey, atMs }: Revocation): boolean {
  return (revocationsOf(jwt)[publicKey] ?? -1) >= Math.floor(atMs / 1000);
}

/**
 * The account as it was and that key revoked. Issued at least a second after the one before: a server that is started
 * keeps the newer of the one it has and the one in its configuration. Throws CbError "config" when `jwt` is no JWT.
 */
export function withRevocation(jwt: string, revocation: Revocation, { operatorKey, nowMs }: Signing): string {
  const { name, sub, iat, nats } = readClaims(jwt);
  const atS = Math.max(Math.floor(revocation.atMs / 1000), revocationsOf(jwt)[revocation.publicKey] ?? 0);
  const account: Partial<Account> = { ...nats, revocations: { ...revocationsOf(jwt), [revocation.publicKey]: atS } };
  const issuedAtMs = Math.max(nowMs, (iat + 1) * 1000);
  return accountJwt({ name, publicKey: sub, issuedAtMs }, account, operatorKey);
}

function revocationsOf(jwt: string): Readonly<Record<string, number>> {
  const { revocations } = readClaims(jwt).nats as Partial<Account>;
  return revocations ?? {};
}

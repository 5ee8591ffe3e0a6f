/** The JWT of an account with more user keys that NATS refuses. Pure. */
import type { Account } from "@nats-io/jwt";
import { accountJwt, readClaims } from "./jwt.ts";
import type { NKey } from "./nkey.ts";

/** Public key of a user → the second up to which what was issued for it is refused. */
export type Revocations = Readonly<Record<string, number>>;

export interface Signing {
  /** Of the operator. */
  readonly operatorKey: NKey;
  readonly nowMs: number;
}

/** Throws CbError "config" when `jwt` is no JWT. */
export function revocationsOf(jwt: string): Revocations {
  const { revocations } = readClaims(jwt).nats as Partial<Account>;
  return revocations ?? {};
}

/** Both, each key with the later time. */
export function mergeRevocations(one: Revocations, other: Revocations): Revocations {
  const merged = new Map(Object.entries(one));
  for (const [key, atS] of Object.entries(other)) merged.set(key, Math.max(atS, merged.get(key) ?? 0));
  return Object.fromEntries(merged);
}

/**
 * The account as it was and these keys revoked, too; `jwt` itself when it revokes them all. Issued at least a second after
 * the one before: a server that is started keeps the newer of the one it has and the one in its configuration. Throws
 * CbError "config" when `jwt` is no JWT.
 */
export function withRevocations(jwt: string, more: Revocations, { operatorKey, nowMs }: Signing): string {
  const known = revocationsOf(jwt);
  if (Object.entries(more).every(([key, atS]) => (known[key] ?? -1) >= atS)) return jwt;
  const { name, sub, iat, nats } = readClaims(jwt);
  const account: Partial<Account> = { ...nats, revocations: { ...mergeRevocations(known, more) } };
  const issuedAtMs = Math.max(nowMs, (iat + 1) * 1000);
  return accountJwt({ name, publicKey: sub, issuedAtMs }, account, operatorKey);
}

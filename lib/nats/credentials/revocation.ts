/** Changes revoked user keys and signing keys in the JWT of an account. Pure. */
import type { Account } from "@nats-io/jwt";
import { accountJwt, readClaims } from "./jwt.ts";
import type { NKey } from "./nkey.ts";

/** By public key of a user: seconds since 1970. NATS refuses every JWT that was issued for the key until then. */
export type Revocations = Readonly<Record<string, number>>;

export interface Signing {
  /** Key pair of the NATS operator, which signs account JWTs. */
  readonly operatorKey: NKey;
  readonly nowMs: number;
}

/** The revocations of an account. Throws CbError "config" when `jwt` is not a JWT. */
export function revocationsOf(jwt: string): Revocations {
  const { revocations } = readClaims(jwt).nats as Partial<Account>;
  return revocations ?? {};
}

/** The union of both. A key in both gets the later time. */
export function mergeRevocations(one: Revocations, other: Revocations): Revocations {
  const merged = new Map(Object.entries(one));
  for (const [key, atS] of Object.entries(other)) merged.set(key, Math.max(atS, merged.get(key) ?? 0));
  return Object.fromEntries(merged);
}

/**
 * The account's JWT with these keys revoked too; `jwt` itself if it revokes all of them. It is issued at least a second after
 * `jwt`, because a server that starts keeps the newer of the JWT on its disk and the one in its configuration. Throws CbError
 * "config" when `jwt` is not a JWT.
 */
export function withRevocations(jwt: string, added: Revocations, { operatorKey, nowMs }: Signing): string {
  const known = revocationsOf(jwt);
  if (Object.entries(added).every(([key, atS]) => (known[key] ?? -1) >= atS)) return jwt;
  return reissued(jwt, { revocations: { ...mergeRevocations(known, added) } }, { operatorKey, nowMs });
}

/** The public keys that may sign users of an account. Throws CbError "config" when `jwt` is not a JWT. */
export function signingKeysOf(jwt: string): readonly string[] {
  const { signing_keys: keys } = readClaims(jwt).nats as Partial<Account>;
  return (keys ?? []).filter((key) => typeof key === "string");
}

/** The account's JWT with exactly these signing keys; `jwt` itself if it has them. Issued, and errors, as withRevocations. */
export function withSigningKeys(jwt: string, keys: readonly string[], signing: Signing): string {
  const known = new Set(signingKeysOf(jwt));
  if (known.size === keys.length && keys.every((key) => known.has(key))) return jwt;
  return reissued(jwt, { signing_keys: [...keys] }, signing);
}

function reissued(jwt: string, change: Partial<Account>, { operatorKey, nowMs }: Signing): string {
  const { name, sub, iat, nats } = readClaims(jwt);
  const issuedAtMs = Math.max(nowMs, (iat + 1) * 1000);
  return accountJwt({ name, publicKey: sub, issuedAtMs }, { ...nats, ...change }, operatorKey);
}

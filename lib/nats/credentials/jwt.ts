/**
 * NATS JWTs, version 2: `base64url(header).base64url(claims).base64url(Ed25519 signature)`.
 *
 * @nats-io/jwt is not used to encode them, because it reads the wall clock and derives public keys with the slow nkeys.js on every
 * call. Tests verify the output of this encoder with @nats-io/jwt and with nats-server.
 */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Account, Operator, User } from "@nats-io/jwt";
import { CbError } from "../../core/errors.ts";
import { base32, isSignedBy, type NKey } from "./nkey.ts";

export interface Claims {
  /** The id: a hash of all other claims, so equal claims give an equal JWT. */
  readonly jti: string;
  /** Seconds since 1970. */
  readonly iat: number;
  /** Seconds since 1970. Absent: never expires. */
  readonly exp?: number;
  /** Public key of the signer. */
  readonly iss: string;
  readonly name: string;
  /** Public key of the subject. */
  readonly sub: string;
  readonly nats: Readonly<Record<string, unknown>>;
}

export interface Subject {
  readonly name: string;
  /** Public key that the JWT is issued for. */
  readonly publicKey: string;
  readonly issuedAtMs: number;
  /** Rounded down to whole seconds. Absent: never expires. */
  readonly expiresAtMs?: number;
}

/** Every JWT of version 2 has this header. */
const HEADER = Buffer.from(JSON.stringify({ typ: "JWT", alg: "ed25519-nkey" })).toString("base64url");

/** JWT of an operator, signed by itself. */
export function operatorJwt(subject: Subject, operator: Partial<Operator>, signer: NKey): string {
  return encode(subject, { ...operator, type: "operator", version: 2 }, signer);
}

/** JWT of an account, signed by the operator. */
export function accountJwt(subject: Subject, account: Partial<Account>, signer: NKey): string {
  return encode(subject, { ...account, type: "account", version: 2 }, signer);
}

/**
 * JWT of a user, signed by the account `issuerAccount` or one of its signing keys. A limit that `user` leaves out is set to -1 (no
 * limit), because the server reads a missing number as 0: no subscriptions and no payload.
 */
export function userJwt(subject: Subject, user: Partial<User>, signer: NKey, issuerAccount: string): string {
  return encode(subject, userClaims(user, signer, issuerAccount), signer);
}

/** Whether `claims` have the signer and the rights that userJwt would give them. */
export function isUserJwtLike(claims: Claims, user: Partial<User>, signer: NKey, issuerAccount: string): boolean {
  return claims.iss === signer.publicKey && isDeepStrictEqual(claims.nats, userClaims(user, signer, issuerAccount));
}

function userClaims(user: Partial<User>, signer: NKey, issuerAccount: string): Record<string, unknown> {
  const limits = { subs: -1, data: -1, payload: -1 };
  const issuer = signer.publicKey === issuerAccount ? {} : { issuer_account: issuerAccount };
  return { ...limits, ...user, ...issuer, type: "user", version: 2 };
}

/** Never writes `nbf`: a server with a slow clock would refuse a valid JWT. */
function encode(subject: Subject, nats: Record<string, unknown>, signer: NKey): string {
  const body = {
    iat: Math.floor(subject.issuedAtMs / 1000),
    ...(subject.expiresAtMs === undefined ? {} : { exp: Math.floor(subject.expiresAtMs / 1000) }),
    iss: signer.publicKey,
    name: subject.name,
    sub: subject.publicKey,
    nats,
  };
  const jti = base32(createHash("sha256").update(JSON.stringify(body)).digest());
  const claims = Buffer.from(JSON.stringify({ jti, ...body } satisfies Claims)).toString("base64url");
  const signed = `${HEADER}.${claims}`;
  return `${signed}.${signer.sign(Buffer.from(signed)).toString("base64url")}`;
}

/**
 * The claims of a JWT, **without** checking its signature: only the server decides which JWT to trust. A program uses this to read
 * the name and the expiry of its own credential. Throws CbError "config" on any text that is not a NATS JWT.
 */
export function readClaims(jwt: string): Claims {
  const [header, body, signature, ...rest] = jwt.split(".");
  const claims = header === HEADER && signature && rest.length === 0 ? parse(body) : undefined;
  if (claims !== undefined) return claims;
  throw new CbError("config", "not a NATS JWT of version 2", { hint: "was the text truncated when it was copied?" });
}

/** Whether the issuer that the JWT names has signed it. Throws as readClaims does. */
export function hasValidSignature(jwt: string): boolean {
  const { iss } = readClaims(jwt);
  const at = jwt.lastIndexOf(".");
  return isSignedBy(iss, Buffer.from(jwt.slice(0, at)), Buffer.from(jwt.slice(at + 1), "base64url"));
}

function parse(body: string | undefined): Claims | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(body ?? "", "base64url").toString());
    return isClaims(claims) ? claims : undefined;
  } catch {
    return undefined;
  }
}

function isClaims(value: unknown): value is Claims {
  if (typeof value !== "object" || value === null) return false;
  const claims = value as Record<string, unknown>;
  const texts = [claims.jti, claims.iss, claims.name, claims.sub];
  const exp = claims.exp;
  return (
    texts.every((text) => typeof text === "string") &&
    Number.isSafeInteger(claims.iat) &&
    (exp === undefined || Number.isSafeInteger(exp)) &&
    typeof claims.nats === "object" &&
    claims.nats !== null
  );
}

/**
 * Checks for every text that becomes a token of a NATS subject. nats.js does not check subjects: a CR LF in one injects protocol
 * commands, and a dot or a wildcard makes it another subject.
 */
import { CbError } from "../core/errors.ts";

/** UUIDs in lower case, as crypto.randomUUID makes them: the ids of builds, builders, requests and attempts. */
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Login names as useradd(8) accepts them, up to 64 characters so that subjects stay short. */
const USER = /^[a-z0-9_][a-z0-9_-]{0,63}$/;

/** Public keys of NATS users: "U" and 55 characters of base32 (nkeys). */
const USER_KEY = /^U[A-Z2-7]{55}$/;

/** Public keys of NATS accounts. */
const ACCOUNT_KEY = /^A[A-Z2-7]{55}$/;
const SERVER_KEY = /^N[A-Z2-7]{55}$/;

export const isId = (text: string): boolean => ID.test(text);
export const isUserName = (text: string): boolean => USER.test(text);
export const isUserKey = (text: string): boolean => USER_KEY.test(text);

/** Throws CbError "usage" unless `text` is a UUID in lower case. */
export function assertId(text: string): string {
  if (!isId(text))
    throw new CbError("usage", `not an id: ${quote(text)}`, {
      hint: "an id looks like 60c95481-92f3-4491-94d3-14c45bfbc279",
    });
  return text;
}

/** Throws CbError "usage" unless `text` is a valid user name. */
export function assertUserName(text: string): string {
  if (!isUserName(text)) {
    throw new CbError("usage", `not a user name: ${quote(text)}`, {
      hint: "use 1 to 64 of a-z, 0-9, _ and -, not starting with -",
    });
  }
  return text;
}

/** Throws CbError "usage" unless `text` is the public key of a NATS user. */
export function assertUserKey(text: string): string {
  if (!isUserKey(text)) throw new CbError("usage", `not a public user key: ${quote(text)}`);
  return text;
}

/** Throws CbError "usage" unless `text` is the public key of a NATS account. */
export function assertAccountKey(text: string): string {
  if (!ACCOUNT_KEY.test(text)) throw new CbError("usage", `not a public key of an account: ${quote(text)}`);
  return text;
}

/** Throws CbError "usage" unless `text` is the public key of a nats-server, which is its id. */
export function assertServerKey(text: string): string {
  if (!SERVER_KEY.test(text)) throw new CbError("usage", `not a public key of a server: ${quote(text)}`);
  return text;
}

/** Untrusted text in an error message: truncated, and with control characters escaped. */
const quote = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);

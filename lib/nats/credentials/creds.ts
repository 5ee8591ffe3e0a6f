/** Credential files (`.creds`): a user's JWT and the seed of its key, in the format that all NATS tools read. */
import { readFile } from "node:fs/promises";
import { CbError, codeOf, messageOf } from "../../core/errors.ts";
import { settingsFailure } from "../../core/read-failure.ts";
import { readClaims } from "./jwt.ts";
import { keyFromSeed, type NKey } from "./nkey.ts";

export interface Creds {
  readonly jwt: string;
  /** The key pair of the JWT. Secret. */
  readonly key: NKey;
  /** The user's name, or the purpose of the credential, such as `agent <build>`. */
  readonly name: string;
  /** Public key of its account. Each installation has its own accounts. */
  readonly account: string;
  /** Absent: never expires. */
  readonly expiresAtMs?: number;
}

/** A credential is about 2 kB, so a file much longer than that is not one. */
const MAX_BYTES = 64 * 1024;

const REQUEST_HINT = "ask the operators for a credential file, and set its path in NATS_CREDS or in the configuration";

/** The text of a credential file. Secret. */
export function formatCreds(jwt: string, key: NKey): string {
  return `-----BEGIN NATS USER JWT-----
${jwt}
------END NATS USER JWT------

This file is a secret: anyone who has it can act in your name. Keep it readable only by you.

-----BEGIN USER NKEY SEED-----
${key.seed()}
------END USER NKEY SEED------
`;
}

/** `source` names it in messages. Throws CbError "config" unless `text` has a JWT and the seed of the same key. */
export function parseCreds(text: string, source: string): Creds {
  const jwt = section(text, "NATS USER JWT");
  const seed = section(text, "USER NKEY SEED");
  if (jwt === undefined || seed === undefined) throw notCreds(source, "it lacks the JWT or the seed");
  const { claims, key } = readBoth(jwt, seed, source);
  if (claims.sub !== key.publicKey) throw notCreds(source, "its JWT is for another key than its seed");
  return {
    jwt,
    key,
    name: claims.name,
    account: accountOf(claims),
    ...(claims.exp === undefined ? {} : { expiresAtMs: claims.exp * 1000 }),
  };
}

/**
 * Reads a credential file. Throws CbError "config" when it is missing, unreadable or not a credential file, and "denied" when it
 * has expired at `nowMs`: the server's error for that is "authorization violation", which does not name the reason.
 */
export async function readCreds(path: string, nowMs: number): Promise<Creds> {
  const creds = parseCreds(await read(path), path);
  if (creds.expiresAtMs === undefined || nowMs < creds.expiresAtMs) return creds;
  const when = new Date(creds.expiresAtMs).toISOString();
  throw new CbError("denied", `the credential ${path} of ${creds.name} expired at ${when}`, {
    hint: "ask the operators for a new one",
  });
}

/** Throws CbError "denied" for a credential of another installation: the server's error does not name the reason. */
export function refuseOtherAccount(creds: Creds, { path, account }: { path: string; account: string }): void {
  if (creds.account === account) return;
  throw new CbError("denied", `the credential ${path} of ${creds.name} is of another installation`, {
    hint: `it is in the account ${creds.account}, this installation's is ${account}: ask its operators for one`,
  });
}

async function read(path: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    if (bytes.length <= MAX_BYTES) return bytes.toString();
  } catch (error) {
    throw readError(path, error);
  }
  throw notCreds(path, `it is longer than ${MAX_BYTES} bytes`);
}

function readError(path: string, cause: unknown): CbError {
  const code = codeOf(cause);
  if (code === "ENOENT")
    return new CbError("config", `there is no credential file ${path}`, { hint: REQUEST_HINT, cause });
  if (code === "EACCES") {
    // The caller seems to have a credential, so first suggest fixing the rights of the file.
    const hint = `if it is yours: chmod 600 ${path}; else ${REQUEST_HINT}`;
    return new CbError("config", `cannot read the credential file ${path}: you may not read it`, { hint, cause });
  }
  return settingsFailure(`cannot read the credential file ${path}: ${messageOf(cause)}`, cause, REQUEST_HINT);
}

/** A JWT signed by a signing key names its account in `issuer_account`. Without that field the account itself signed it. */
function accountOf({ iss, nats }: ReturnType<typeof readClaims>): string {
  const { issuer_account: account } = nats as { issuer_account?: unknown };
  return typeof account === "string" && account !== "" ? account : iss;
}

/** The text between the BEGIN and END lines of a section. The number of dashes varies between tools. */
function section(text: string, title: string): string | undefined {
  const found = new RegExp(`-{3,}BEGIN ${title}-{3,}\\s+([A-Za-z0-9_.-]+)\\s+-{3,}END ${title}-{3,}`).exec(text);
  return found?.[1];
}

function readBoth(jwt: string, seed: string, source: string) {
  try {
    return { claims: readClaims(jwt), key: keyFromSeed(seed) };
  } catch (error) {
    throw notCreds(source, messageOf(error));
  }
}

function notCreds(source: string, reason: string): CbError {
  return new CbError("config", `${source} is not a NATS credential file: ${reason}`, { hint: REQUEST_HINT });
}

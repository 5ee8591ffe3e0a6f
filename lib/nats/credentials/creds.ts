/** Credential files (`.creds`): a user's JWT and the seed of its key, in the form that all NATS tools read. */
import { readFile } from "node:fs/promises";
import { CbError, messageOf } from "../../core/errors.ts";
import { readClaims } from "./jwt.ts";
import { keyFromSeed, type NKey } from "./nkey.ts";
import { writeSecretFile } from "./secret-file.ts";

export interface Creds {
  readonly jwt: string;
  /** The key the JWT is for; secret. */
  readonly key: NKey;
  /** The user's name, or what the credential is for. */
  readonly name: string;
  /** Public key of the account that it is in: each installation has its own. */
  readonly account: string;
  /** Absent: never expires. */
  readonly expiresAtMs?: number;
}

/** A credential is about 2 kB; what is much longer is some other file. */
const MAX_BYTES = 64 * 1024;

const ASK = "ask the operators for a credential file, and name it by NATS_CREDS or the configuration";

/** The text of a credential file. Secret. */
export function formatCreds(jwt: string, key: NKey): string {
  return `-----BEGIN NATS USER JWT-----
${jwt}
------END NATS USER JWT------

This file is a secret: whoever has it can act in your name. Keep it readable for yourself alone.

-----BEGIN USER NKEY SEED-----
${key.seed()}
------END USER NKEY SEED------
`;
}

/** `from` names the source in messages. Throws CbError "config" unless `text` is a JWT and the seed that fits it. */
export function parseCreds(text: string, from: string): Creds {
  const jwt = section(text, "NATS USER JWT");
  const seed = section(text, "USER NKEY SEED");
  if (jwt === undefined || seed === undefined) throw notCreds(from, "it lacks the JWT or the seed");
  const { claims, key } = readBoth(jwt, seed, from);
  if (claims.sub !== key.publicKey) throw notCreds(from, "its JWT is for another key than its seed");
  return {
    jwt,
    key,
    name: claims.name,
    account: accountOf(claims),
    ...(claims.exp === undefined ? {} : { expiresAtMs: claims.exp * 1000 }),
  };
}

/**
 * Reads a credential file. Throws CbError "config" when it is missing, unreadable or no such file, and "denied" when
 * it has expired at `nowMs`: the server's own answer to that is "authorization violation", which says nothing.
 */
export async function readCreds(path: string, nowMs: number): Promise<Creds> {
  const creds = parseCreds(await read(path), path);
  if (creds.expiresAtMs === undefined || nowMs < creds.expiresAtMs) return creds;
  const when = new Date(creds.expiresAtMs).toISOString();
  throw new CbError("denied", `the credential ${path} of ${creds.name} expired at ${when}`, {
    hint: "ask the operators for a new one",
  });
}

/** Throws CbError "denied" when the credential is for another installation: the server would say no more than "violation". */
export function refuseOtherAccount(creds: Creds, { path, account }: { path: string; account: string }): void {
  if (creds.account === account) return;
  throw new CbError("denied", `the credential ${path} of ${creds.name} is of another installation`, {
    hint: `it is in the account ${creds.account}, this installation's is ${account}: ask its operators for one`,
  });
}

/** Writes a credential file, mode 0600, whole or not at all. Throws CbError "config" when that cannot be done. */
export async function writeCreds(path: string, text: string): Promise<void> {
  try {
    await writeSecretFile(path, text);
  } catch (error) {
    throw new CbError("config", `cannot write the credential file ${path}: ${messageOf(error)}`, {
      hint: "does its folder exist, and is it yours?",
      cause: error,
    });
  }
}

async function read(path: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    if (bytes.length <= MAX_BYTES) return bytes.toString();
  } catch (error) {
    throw unread(path, error);
  }
  throw notCreds(path, `it is longer than ${MAX_BYTES} bytes`);
}

function unread(path: string, cause: unknown): CbError {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "ENOENT") return new CbError("config", `there is no credential file ${path}`, { hint: ASK, cause });
  if (code === "EACCES") {
    // Whoever has a credential need not ask for one.
    const hint = `if it is yours: chmod 600 ${path}; else ${ASK}`;
    return new CbError("config", `cannot read the credential file ${path}: you may not read it`, { hint, cause });
  }
  return new CbError("config", `cannot read the credential file ${path}: ${messageOf(cause)}`, { hint: ASK, cause });
}

/** A signing key's JWT names the account beside the signer; without one the account signed itself. */
function accountOf({ iss, nats }: ReturnType<typeof readClaims>): string {
  const { issuer_account: account } = nats as { issuer_account?: unknown };
  return typeof account === "string" && account !== "" ? account : iss;
}

/** What stands between the two lines that begin and end a section; the number of dashes varies between tools. */
function section(text: string, title: string): string | undefined {
  const found = new RegExp(`-{3,}BEGIN ${title}-{3,}\\s+([A-Za-z0-9_.-]+)\\s+-{3,}END ${title}-{3,}`).exec(text);
  return found?.[1];
}

function readBoth(jwt: string, seed: string, from: string) {
  try {
    return { claims: readClaims(jwt), key: keyFromSeed(seed) };
  } catch (error) {
    throw notCreds(from, messageOf(error));
  }
}

function notCreds(from: string, why: string): CbError {
  return new CbError("config", `${from} is not a NATS credential file: ${why}`, { hint: ASK });
}

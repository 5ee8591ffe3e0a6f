/** Has NATS refuse a user's key: signs the account of the guests anew, and gives it to the servers. */
import { chmod, readFile, stat } from "node:fs/promises";
import type { AccountFiles } from "../../config/admin-config.ts";
import { systemClock } from "../../core/clock.ts";
import { CbError, messageOf } from "../../core/errors.ts";
import { type Credential, connectNats, type NatsAddress } from "../../nats/connection.ts";
import { lookUpAccount, pushAccount } from "../../nats/credentials/account-claims.ts";
import { readCreds } from "../../nats/credentials/creds.ts";
import { readKeyFile } from "../../nats/credentials/issuer.ts";
import { readClaims } from "../../nats/credentials/jwt.ts";
import type { NKey } from "../../nats/credentials/nkey.ts";
import {
  mergeRevocations,
  type Revocations,
  revocationsOf,
  withRevocations,
} from "../../nats/credentials/revocation.ts";
import { writeSecretFile } from "../../nats/credentials/secret-file.ts";

/** All that signs, read before anything is changed, so that a key that is not at hand is known first. */
export interface Signer {
  readonly address: NatsAddress;
  readonly sys: Credential;
  readonly operatorKey: NKey;
  /** Public key of GUEST. */
  readonly account: string;
  readonly jwtFile: string;
  /** Those of the file: a server that has just come back may not know all of them yet. */
  readonly earlier: Revocations;
}

export interface KeyToRevoke {
  readonly publicKey: string;
  /** Whatever was issued for the key up to this second is refused. */
  readonly atMs: number;
}

/** Throws CbError "config" naming what is missing, "denied" when the credential has expired. */
export async function openSigner(address: NatsAddress, files: AccountFiles): Promise<Signer> {
  const operatorKey = await readKeyFile(files.operatorKey);
  const sys = await readCreds(files.sysCreds, systemClock.nowMs());
  const jwt = await readJwt(files.jwt);
  const { sub } = readClaims(jwt);
  return { address, sys, operatorKey, account: sub, jwtFile: files.jwt, earlier: revocationsOf(jwt) };
}

/**
 * Resolves when the servers refuse the key; its connections are closed by then, or within milliseconds. Does nothing when
 * they do already. Errors as connectBus, lookUpAccount and pushAccount have them. `note` is told what did not work and does
 * not matter today.
 */
export async function revokeKey(signer: Signer, key: KeyToRevoke, note: (text: string) => void): Promise<void> {
  const { address, sys, operatorKey, account, jwtFile, earlier } = signer;
  const wanted = mergeRevocations(earlier, { [key.publicKey]: Math.floor(key.atMs / 1000) });
  const nc = await connectNats({ address, credential: sys, name: "cb-admin" });
  try {
    // The servers' own is the newest: another operator may have revoked somebody else from elsewhere.
    const now = await lookUpAccount(nc, account);
    const jwt = withRevocations(now, wanted, { operatorKey, nowMs: systemClock.nowMs() });
    if (jwt !== now) await pushAccount(nc, jwt);
    await keep(jwtFile, jwt, note);
  } finally {
    await nc.close();
  }
}

/** A server that is set up anew takes the account from this file, and would let the key in again. */
async function keep(file: string, jwt: string, note: (text: string) => void): Promise<void> {
  try {
    if ((await readJwt(file)) === jwt) return;
    const { mode } = await stat(file);
    await writeSecretFile(file, jwt);
    // It is no secret, and others may read it.
    await chmod(file, mode & 0o777);
  } catch (error) {
    note(`${file} is as it was, so a server that is set up from it would not know of this: ${messageOf(error)}`);
  }
}

async function readJwt(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw new CbError("config", `cannot read the account's JWT ${file}: ${messageOf(cause)}`, { cause });
  }
}

/** Revokes a user's key in NATS: adds a revocation to the account GUEST, signs the account's JWT, and pushes it to the servers. */
import { chmod, readFile, stat } from "node:fs/promises";
import type { AccountFiles } from "../../config/admin-config.ts";
import { systemClock } from "../../core/clock.ts";
import { CbError, messageOf } from "../../core/errors.ts";
import { type Credential, connectNats, type NatsAddress } from "../../nats/connection.ts";
import { lookUpAccount, pushAccount } from "../../nats/credentials/account-claims.ts";
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
import { readCredential, warnOf } from "../read-credential.ts";

/** The files needed to sign, read before any change, so that a missing key is reported first. */
export interface Signer {
  readonly address: NatsAddress;
  readonly sys: Credential;
  readonly operatorKey: NKey;
  /** Public key of GUEST. */
  readonly account: string;
  readonly jwtFile: string;
  /** The revocations in the JWT file. A server that has just restarted may not have all of them. */
  readonly recorded: Revocations;
}

export interface KeyToRevoke {
  readonly publicKey: string;
  /** Credentials issued for the key up to this second are refused. */
  readonly atMs: number;
}

/** Throws CbError "config" naming the missing file, "denied" when the credential of SYS has expired. */
export async function openSigner(address: NatsAddress, files: AccountFiles): Promise<Signer> {
  const operatorKey = await readKeyFile(files.operatorKey);
  const sys = await readCredential(files.sysCreds, warnOf("cb-admin"));
  const jwt = await readJwt(files.jwt);
  const { sub } = readClaims(jwt);
  return { address, sys, operatorKey, account: sub, jwtFile: files.jwt, recorded: revocationsOf(jwt) };
}

/**
 * Resolves when the servers refuse the key; its connections are closed by then, or within milliseconds. Changes nothing if they
 * already refuse it. `warn` is called when the JWT file could not be updated, which matters only for a server that is set up
 * from it. Errors as connectNats, lookUpAccount and pushAccount.
 */
export async function revokeKey(signer: Signer, key: KeyToRevoke, warn: (text: string) => void): Promise<void> {
  const { address, sys, operatorKey, account, jwtFile, recorded } = signer;
  const revocations = mergeRevocations(recorded, { [key.publicKey]: Math.floor(key.atMs / 1000) });
  const nc = await connectNats({ address, credential: sys, name: "cb-admin" });
  try {
    // The servers' JWT is the newest: another operator may have revoked another user from another machine.
    const current = await lookUpAccount(nc, account);
    const jwt = withRevocations(current, revocations, { operatorKey, nowMs: systemClock.nowMs() });
    if (jwt !== current) await pushAccount(nc, jwt);
    await updateJwtFile(jwtFile, jwt, warn);
  } finally {
    await nc.close();
  }
}

/** A new server preloads the account from this file. Without the revocation in it, that server would accept the key. */
async function updateJwtFile(file: string, jwt: string, warn: (text: string) => void): Promise<void> {
  try {
    if ((await readJwt(file)) === jwt) return;
    const { mode } = await stat(file);
    await writeSecretFile(file, jwt);
    // Restores the mode: the JWT is not secret, and other users may read it.
    await chmod(file, mode & 0o777);
  } catch (error) {
    warn(`${file} was not updated; a server that is set up from it would accept the key: ${messageOf(error)}`);
  }
}

async function readJwt(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw new CbError("config", `cannot read the account's JWT ${file}: ${messageOf(cause)}`, { cause });
  }
}

/** Adds and revokes users, in the queue and in NATS. */
import { CbError } from "../../core/errors.ts";
import { formatCreds } from "../../nats/credentials/creds.ts";
import { createKey } from "../../nats/credentials/nkey.ts";
import { assertUserName } from "../../protocol/ids.ts";
import { adminAddUser, adminRevokeUser, adminUsers } from "../../protocol/requests.ts";
import type { AdminSession } from "./admin-session.ts";
import { openSigner, revokeKey, type Signer } from "./revoke-key.ts";

/** Prints a line for the operator. */
export type PrintLine = (line: string) => void;

/**
 * Returns the text of the credential file. The seed in it is created here and sent to no other program. With `force`, an existing
 * user of that name is revoked first. Throws CbError "usage" for an invalid name and, without `force`, for a name in use; else
 * as revokeUser.
 */
export async function addUser(session: AdminSession, name: string, options: { force: boolean; print: PrintLine }) {
  assertUserName(name);
  if (options.force && (await userExists(session, name))) await revokeUser(session, name, options.print);
  const key = createKey("user");
  const { jwt } = await session.request(adminAddUser, { v: 1, name, publicKey: key.publicKey });
  return formatCreds(jwt, key);
}

async function userExists(session: AdminSession, name: string): Promise<boolean> {
  const { users } = await session.request(adminUsers, { v: 1 });
  return users.some((user) => user.name === name);
}

/**
 * The queue first refuses the user and ends the user's builds, then NATS refuses the key and closes its connections. Idempotent:
 * after a failure in between it must be repeated. Throws CbError "usage" for an unknown user, and "config" when the operator key
 * cannot be read; the queue refuses the user by then.
 */
export async function revokeUser(session: AdminSession, name: string, print: PrintLine): Promise<void> {
  assertUserName(name);
  const { publicKey, revokedAtMs, builds } = await session.request(adminRevokeUser, { v: 1, name });
  const ended = builds === 0 ? "" : `, and ends ${builds === 1 ? "1 build" : `${builds} builds`}`;
  print(`${name}: the queue refuses the user${ended}`);
  const signer = await signerOf(session, name);
  await revokeKey(signer, { publicKey, atMs: revokedAtMs }, print);
  await session.request(adminRevokeUser, { v: 1, name, revokedKey: publicKey });
  print(`${name}: NATS refuses the user's credential, and has closed its connections`);
}

async function signerOf({ config, address }: AdminSession, name: string): Promise<Signer> {
  const halfDone = `the queue refuses ${name}, but NATS still accepts the credential`;
  const repeat = `finish with: cb-admin user revoke ${name}`;
  if (config.account === undefined) {
    throw new CbError("config", halfDone, { hint: `${config.from} has no "account" files to sign with; ${repeat}` });
  }
  try {
    return await openSigner(address, config.account);
  } catch (cause) {
    if (!(cause instanceof CbError)) throw cause;
    throw new CbError(cause.kind, `${halfDone}: ${cause.message}`, {
      hint: `is the operator key on this machine? ${repeat}`,
      cause,
    });
  }
}

/** Adding and revoking users, as cb-admin does it: what the queue is asked, what NATS is told, and in which order. */

import { CbError } from "../../core/errors.ts";
import { formatCreds } from "../../nats/credentials/creds.ts";
import { createKey } from "../../nats/credentials/nkey.ts";
import { assertUserName } from "../../protocol/ids.ts";
import * as registry from "../../protocol/requests.ts";
import type { AdminSession } from "./admin-session.ts";
import { openSigner, revokeKey, type Signer } from "./revoke-key.ts";

export type Notify = (line: string) => void;

/**
 * The text of the credential file; the seed in it has been nowhere else. With `force` a user of that name is revoked
 * first. Throws CbError "usage" on a bad name and, without `force`, on one that is taken; else as revokeUser.
 */
export async function addUser(session: AdminSession, name: string, options: { force: boolean; say: Notify }) {
  assertUserName(name);
  if (options.force && (await isThere(session, name))) await revokeUser(session, name, options.say);
  const key = createKey("user");
  const { jwt } = await session.ask(registry.adminAddUser, { v: 1, name, publicKey: key.publicKey });
  return formatCreds(jwt, key);
}

async function isThere(session: AdminSession, name: string): Promise<boolean> {
  const { users } = await session.ask(registry.adminUsers, { v: 1 });
  return users.some((user) => user.name === name);
}

/**
 * First the queue serves the user no longer and ends its builds, then NATS cuts its connections. Safe to repeat, and to be
 * repeated when it failed half way. Throws CbError "usage" when there is no such user, and "config" when the operator key is
 * not at hand: the first half is done then.
 */
export async function revokeUser(session: AdminSession, name: string, say: Notify): Promise<void> {
  assertUserName(name);
  const { publicKey, revokedAtMs, builds } = await session.ask(registry.adminRevokeUser, { v: 1, name });
  const ending = builds === 0 ? "" : `, and ends ${builds === 1 ? "1 build" : `${builds} builds`}`;
  say(`${name}: the queue refuses it${ending}`);
  const signer = await signerOf(session, name);
  await revokeKey(signer, { publicKey, atMs: revokedAtMs }, say);
  await session.ask(registry.adminRevokeUser, { v: 1, name, revokedKey: publicKey });
  say(`${name}: NATS refuses its credential, and has closed its connections`);
}

async function signerOf({ config, address }: AdminSession, name: string): Promise<Signer> {
  const half = `the queue refuses ${name}, but NATS still lets its credential in`;
  const again = `finish with: cb-admin user revoke ${name}`;
  if (config.account === undefined) {
    throw new CbError("config", half, { hint: `${config.from} names no "account" files to sign with; ${again}` });
  }
  try {
    return await openSigner(address, config.account);
  } catch (cause) {
    if (!(cause instanceof CbError)) throw cause;
    throw new CbError(cause.kind, `${half}: ${cause.message}`, {
      hint: `is the operator key at hand? ${again}`,
      cause,
    });
  }
}

/**
 * The JWT of GUEST in a backup: it has the keys of revoked users. A server that lost its disk knows only the JWT that its
 * configuration preloads, which may be older.
 */
import { readFile } from "node:fs/promises";
import type { AdminConfig } from "../../config/admin-config.ts";
import { systemClock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import { connectNats } from "../../nats/connection.ts";
import { lookUpAccount, pushAccount } from "../../nats/credentials/account-claims.ts";
import { readCreds } from "../../nats/credentials/creds.ts";
import { readClaims } from "../../nats/credentials/jwt.ts";
import { mergeRevocations, revocationsOf } from "../../nats/credentials/revocation.ts";
import { addressOf } from "./admin-session.ts";
import type { PrintLine } from "./users.ts";

/**
 * The JWT that the servers use, or, without the credential of SYS, that of the file that a revocation rewrites. Undefined when
 * neither can be had; `print` then names the file to keep. Never throws: a backup of the streams alone is worth having.
 */
export async function guestJwt(config: AdminConfig, print: PrintLine): Promise<string | undefined> {
  const { account } = config;
  if (account === undefined) {
    print(`the revoked users are not in the backup: ${config.from} has no "account"; keep the file guest.jwt yourself`);
    return undefined;
  }
  const fromFile = readFile(account.jwt, "utf8").then((text) => text.trim());
  fromFile.catch(() => undefined);
  try {
    const jwt = await fromFile;
    const { sub } = readClaims(jwt);
    return await asSys(config, account.sysCreds, (sys) => lookUpAccount(sys, sub)).catch((error: unknown) => {
      print(`the revoked users are saved from ${account.jwt}, not from the servers: ${messageOf(error)}`);
      return jwt;
    });
  } catch (error) {
    print(`the revoked users are not in the backup: ${messageOf(error)}; keep the file guest.jwt yourself`);
    return undefined;
  }
}

/**
 * Gives the servers the saved JWT if it is newer than theirs. It is signed, so that needs no operator key. `print` names what is
 * left to do when the servers may still accept the key of a revoked user.
 */
export async function restoreGuestJwt(
  config: AdminConfig,
  saved: { readonly jwt: string; readonly path: string },
  print: PrintLine,
): Promise<void> {
  const { account } = config;
  const byHand = `check that "resolver_preload" of each NATS server has the JWT in ${saved.path}`;
  if (account === undefined)
    return print(`the revoked users were not restored: ${config.from} has no "account"; ${byHand}`);
  const { sub, iat } = readClaims(saved.jwt);
  try {
    await asSys(config, account.sysCreds, async (sys) => {
      const current = await lookUpAccount(sys, sub);
      if (isRevokedIn(current, saved.jwt)) return;
      if (readClaims(current).iat < iat) return pushAccount(sys, saved.jwt);
      print("the servers have a newer JWT of GUEST, which lacks users that were revoked before the backup");
      print("  revoke them again, with the operator key at hand: cb-admin user revoke NAME");
    });
  } catch (error) {
    print(`the revoked users were not restored: ${messageOf(error)}; ${byHand}`);
  }
}

/** True if the servers refuse every key that the saved JWT revokes. */
function isRevokedIn(current: string, saved: string): boolean {
  const known = revocationsOf(current);
  const merged = mergeRevocations(known, revocationsOf(saved));
  return Object.entries(merged).every(([key, atS]) => known[key] === atS);
}

type Sys = Awaited<ReturnType<typeof connectNats>>;

async function asSys<T>(config: AdminConfig, credsFile: string, work: (sys: Sys) => Promise<T>): Promise<T> {
  const credential = await readCreds(credsFile, systemClock.nowMs());
  const sys = await connectNats({ address: addressOf(config), credential, name: "cb-admin" });
  try {
    return await work(sys);
  } finally {
    await sys.close();
  }
}

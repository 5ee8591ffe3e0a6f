/** Stores the credential that the queue has renewed: after the operators replaced the signing key, or when users got further rights. */
import { readFile, realpath, stat } from "node:fs/promises";
import { CbError, messageOf } from "../core/errors.ts";
import { type Credential, connectNats, type NatsAddress } from "../nats/connection.ts";
import { formatCreds, parseCreds } from "../nats/credentials/creds.ts";
import { readClaims } from "../nats/credentials/jwt.ts";
import { writeWholeFile } from "../nats/credentials/secret-file.ts";

/** A credential, and the file that it was read from. */
export interface StoredCredential extends Credential {
  readonly path: string;
}

export interface RenewalTarget {
  readonly credential: StoredCredential;
  readonly address: NatsAddress;
  readonly user: string;
}

/**
 * Stores `jwt`, if there is one, and prints one line about it. A failure is printed as a warning, because the program's own work does
 * not depend on it, and the next request is offered a new credential again. Never throws.
 */
export async function storeRenewed(
  { credential, address, user }: RenewalTarget,
  jwt: string | undefined,
  print: (line: string) => void,
): Promise<void> {
  if (jwt === undefined) return;
  const { path, key } = credential;
  try {
    if (readClaims(jwt).sub !== key.publicKey) throw new CbError("infrastructure", "it is for another key");
    await tryOut({ jwt, key }, address, user);
    if (await replace(credential, jwt)) print(`the queue has renewed your credential; stored in ${path}`);
  } catch (error) {
    print(
      `warning: the queue has renewed your credential, but ${path} keeps the old one: ${messageOf(error)}; ` +
        "make the file writable for its owner, or ask the operators for a new one, before the old one ends",
    );
  }
}

/** Other users can forge the queue's reply. NATS accepts a JWT only if the queue has signed it. */
async function tryOut(credential: Credential, address: NatsAddress, user: string): Promise<void> {
  const nc = await connectNats({ address, credential, name: `renewed credential of ${user}` });
  await nc.close();
}

/** Returns false when another program has replaced the file meanwhile. Keeps the file's mode, and a link to it. */
async function replace({ path, jwt: oldJwt, key }: StoredCredential, jwt: string): Promise<boolean> {
  const target = await realpath(path);
  const { uid, mode } = await stat(target);
  if (uid !== process.getuid?.()) throw new CbError("output", "the file belongs to another user");
  if (parseCreds(await readFile(target, "utf8"), target).jwt !== oldJwt) return false;
  await writeWholeFile(target, formatCreds(jwt, key), mode & 0o777);
  return true;
}

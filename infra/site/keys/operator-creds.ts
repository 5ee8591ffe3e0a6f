/** The credentials of the operators: one each, made once. */
import { copyFile, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { formatCreds, parseCreds } from "../../../lib/nats/credentials/creds.ts";
import { readClaims, userJwt } from "../../../lib/nats/credentials/jwt.ts";
import { createKey, type NKey } from "../../../lib/nats/credentials/nkey.ts";
import { writeSecretFile } from "../../../lib/nats/credentials/secret-file.ts";
import { operatorPermissions, queuePermissions } from "../../../lib/protocol/permissions.ts";
import { type AccountSigner, signedAgain } from "../../nats/sign-again.ts";
import { readIfPresent, type SiteFolder } from "../site-folder.ts";

/** The signer of credentials in CORE. */
export interface CoreSigner {
  readonly signingKey: NKey;
  /** Public key of CORE. */
  readonly core: string;
  readonly nowMs: number;
}

/**
 * Returns the credential file of each operator. Makes the missing ones, and signs those again that an earlier version made with other
 * rights. Moves the credentials of others to `retired`, and returns their names as `left`.
 */
export async function operatorCreds(
  folder: SiteFolder,
  operators: readonly string[],
  signer: () => Promise<CoreSigner>,
) {
  await mkdir(folder.operators, { recursive: true, mode: 0o700 });
  const creds = new Map<string, string>();
  for (const name of operators) {
    const path = join(folder.operators, `${name}.creds`);
    const found = await readIfPresent(path);
    const made = found === undefined ? operatorCredsText(name, createKey("user"), await signer()) : undefined;
    const next =
      made ?? signedAgain({ path, text: found ?? "", rights: operatorPermissions }, accountOf(await signer()));
    if (next !== undefined) await writeSecretFile(path, next);
    creds.set(name, next ?? found ?? "");
  }
  const left = (await readdir(folder.operators))
    .map((file) => file.replace(/\.creds$/, ""))
    .filter((name) => !creds.has(name));
  for (const name of left) await retire(folder, join(folder.operators, `${name}.creds`));
  return { creds, left };
}

function operatorCredsText(name: string, key: NKey, { signingKey, core, nowMs }: CoreSigner): string {
  const about = { name, publicKey: key.publicKey, issuedAtMs: nowMs };
  return formatCreds(userJwt(about, operatorPermissions(name, key.publicKey), signingKey, core), key);
}

function queueCredsText(key: NKey, { signingKey, core, nowMs }: CoreSigner): string {
  const about = { name: "queue", publicKey: key.publicKey, issuedAtMs: nowMs };
  return formatCreds(userJwt(about, queuePermissions(), signingKey, core), key);
}

/** Signs the credentials of the queue and the operators again, for the same keys, where another key than `signer` signed them. */
export async function signAgain(folder: SiteFolder, queueCreds: string, signer: CoreSigner): Promise<void> {
  const paths = (await readdir(folder.operators)).map((name) => join(folder.operators, name));
  for (const path of [queueCreds, ...paths]) {
    const rights = path === queueCreds ? queuePermissions : operatorPermissions;
    const next = signedAgain({ path, text: await readFile(path, "utf8"), rights }, accountOf(signer));
    if (next !== undefined) await writeSecretFile(path, next);
  }
}

const accountOf = ({ core, ...signer }: CoreSigner): AccountSigner => ({ ...signer, account: core });

/** Removes a credential that another key than `signer` signed. The next opening of the installation makes another. */
export async function removeIfSignedByOther(path: string, { signingKey }: CoreSigner): Promise<void> {
  const text = await readIfPresent(path);
  if (text !== undefined && readClaims(parseCreds(text, path).jwt).iss !== signingKey.publicKey) await rm(path);
}

/** Moves a credential that is used no more to the folder of those that `renew --finish` makes NATS refuse. */
async function retire(folder: SiteFolder, path: string): Promise<void> {
  await mkdir(folder.retired, { recursive: true, mode: 0o700 });
  await rename(path, join(folder.retired, `${await publicKeyIn(path)}.creds`));
}

/** Replaces the queue's credential by one for a new key. The old one works until `renew --finish`. */
export async function replaceQueueCreds(folder: SiteFolder, path: string, signer: CoreSigner): Promise<void> {
  await mkdir(folder.retired, { recursive: true, mode: 0o700 });
  // Copied and not moved, so that a run that is killed here leaves a complete installation.
  await copyFile(path, join(folder.retired, `${await publicKeyIn(path)}.creds`));
  await writeSecretFile(path, queueCredsText(createKey("user"), signer));
}

/** Public keys of the credentials that were retired. */
export async function retiredKeys({ retired }: SiteFolder): Promise<string[]> {
  return (await readdir(retired).catch(() => [])).map((name) => name.replace(/\.creds$/, ""));
}

async function publicKeyIn(path: string): Promise<string> {
  return parseCreds(await readFile(path, "utf8"), path).key.publicKey;
}

/** Makes the keys, JWTs, first credentials and certificates of an installation: whole, or not at all. */
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { basename, dirname, join } from "node:path";
import { CbError } from "../../lib/core/errors.ts";
import { type AccountLimits, coreAccount, guestAccount, systemAccount } from "../../lib/nats/credentials/accounts.ts";
import { formatCreds } from "../../lib/nats/credentials/creds.ts";
import { accountJwt, operatorJwt, userJwt } from "../../lib/nats/credentials/jwt.ts";
import { createKey, type NKey } from "../../lib/nats/credentials/nkey.ts";
import { writeSecretFile } from "../../lib/nats/credentials/secret-file.ts";
import {
  operatorPermissions,
  queuePermissions,
  type Rights,
  systemPermissions,
} from "../../lib/protocol/permissions.ts";
import { type Files, filesOf, type Installation, type InstallationRecord, openInstallation } from "./installation.ts";
import { makeCertificates } from "./tls.ts";

export interface InstallationOptions {
  /** Made with its parents, mode 0700. */
  readonly folder: string;
  /** For people, in JWTs. */
  readonly name: string;
  /** The one DNS name in the certificate, whatever addresses the servers have. */
  readonly serverName: string;
  readonly nowMs: number;
  readonly limits?: AccountLimits;
}

/** A thousand users with a terminal or two and a few hundred builders with two connections each. */
const DEFAULT_LIMITS: AccountLimits = { guestConnections: 4096, coreConnections: 128 };

const DNS_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/**
 * The installation in that folder, made if it is not there. A whole one is reused; what an interrupted run left is
 * made new. Throws CbError "config" when the folder holds something else, when it is an installation with another
 * server name, when `serverName` is no DNS name, or when openssl fails.
 */
export async function makeInstallation(options: InstallationOptions): Promise<Installation> {
  if (!DNS_NAME.test(options.serverName) || isIP(options.serverName) !== 0) {
    throw new CbError("config", `not a DNS name: ${JSON.stringify(options.serverName)}`, {
      hint: "the server's name in the certificate is a lower-case DNS name, not an address",
    });
  }
  const found = await openInstallation(options.folder);
  if (found !== undefined) return sameName(found, options);
  await mkdir(dirname(options.folder), { recursive: true });
  const making = await mkdtemp(join(dirname(options.folder), `.${basename(options.folder)}-`));
  try {
    await fill(making, options);
    await moveInPlace(making, options.folder);
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  const made = await openInstallation(options.folder);
  if (made === undefined) throw new Error(`the installation just made in ${options.folder} is not whole`);
  return made;
}

/** Every key pair of an installation, in memory only while it is made. */
function newKeys() {
  return {
    operator: createKey("operator"),
    sys: createKey("account"),
    core: createKey("account"),
    guest: createKey("account"),
    coreSigning: createKey("account"),
    guestSigning: createKey("account"),
  };
}

type Keys = ReturnType<typeof newKeys>;

async function fill(folder: string, options: InstallationOptions): Promise<void> {
  const files = filesOf(folder);
  for (const part of ["offline", "keys", "creds", "tls"]) await mkdir(join(folder, part), { mode: 0o700 });
  const keys = newKeys();
  await writeSeeds(files, keys);
  await writeJwts(files, keys, options);
  await writeFirstCreds(files, keys, options.nowMs);
  await makeCertificates(files, options.serverName, options.nowMs);
  const record: InstallationRecord = {
    version: 1,
    name: options.name,
    serverName: options.serverName,
    operator: keys.operator.publicKey,
    sys: keys.sys.publicKey,
    core: keys.core.publicKey,
    guest: keys.guest.publicKey,
  };
  await writeFile(files.record, `${JSON.stringify(record, null, 2)}\n`);
}

async function writeSeeds(files: Files, keys: Keys): Promise<void> {
  const seeds: [string, NKey][] = [
    [files.operatorSeed, keys.operator],
    [files.sysSeed, keys.sys],
    [files.coreSeed, keys.core],
    [files.guestSeed, keys.guest],
    [files.coreSigningSeed, keys.coreSigning],
    [files.guestSigningSeed, keys.guestSigning],
  ];
  for (const [file, key] of seeds) await writeSecretFile(file, `${key.seed()}\n`);
}

async function writeJwts(files: Files, keys: Keys, options: InstallationOptions): Promise<void> {
  const { operator, sys, core, guest } = keys;
  const limits = options.limits ?? DEFAULT_LIMITS;
  const about = (name: string, key: NKey) => ({ name, publicKey: key.publicKey, issuedAtMs: options.nowMs });
  const coreRights = coreAccount(keys.coreSigning.publicKey, limits);
  const guestRights = guestAccount(keys.guestSigning.publicKey, core.publicKey, limits);
  const jwts = [
    [files.operatorJwt, operatorJwt(about(options.name, operator), { system_account: sys.publicKey }, operator)],
    [files.sysJwt, accountJwt(about("SYS", sys), systemAccount(), operator)],
    [files.coreJwt, accountJwt(about("CORE", core), coreRights, operator)],
    [files.guestJwt, accountJwt(about("GUEST", guest), guestRights, operator)],
  ] as const;
  for (const [file, jwt] of jwts) await writeFile(file, jwt);
}

/** SYS has no signing key: its one credential is made here, by the key that then goes offline. */
async function writeFirstCreds(files: Files, { sys, core, coreSigning }: Keys, nowMs: number): Promise<void> {
  const creds = (name: string, rights: (publicKey: string) => Rights, signer: NKey, account: NKey) => {
    const key = createKey("user");
    const about = { name, publicKey: key.publicKey, issuedAtMs: nowMs };
    return formatCreds(userJwt(about, rights(key.publicKey), signer, account.publicKey), key);
  };
  const operator = (publicKey: string) => operatorPermissions("operator", publicKey);
  await writeSecretFile(files.queueCreds, creds("queue", queuePermissions, coreSigning, core));
  await writeSecretFile(files.operatorCreds, creds("operator", operator, coreSigning, core));
  await writeSecretFile(files.sysCreds, creds("sys", systemPermissions, sys, sys));
}

/**
 * Renaming does not replace a folder that holds something, so of two that make the same installation at once, one
 * wins and the other uses what is there.
 */
async function moveInPlace(making: string, folder: string): Promise<void> {
  const isTaken = await rename(making, folder).then(
    () => false,
    () => true,
  );
  if (!isTaken || (await openInstallation(folder)) !== undefined) return;
  await clearHalfMade(folder);
  await rename(making, folder);
}

/** Removes what an interrupted run left, and only that: a folder with a name in it that is not ours stays. */
async function clearHalfMade(folder: string): Promise<void> {
  const ours = new Set(Object.values(filesOf("")).map((path) => path.split("/")[0]));
  const names = await readdir(folder).catch(() => []);
  const foreign = names.find((name) => !ours.has(name));
  if (foreign !== undefined) {
    throw new CbError("config", `${folder} is not an installation: it holds ${foreign}`, {
      hint: "name a folder that is empty or does not exist yet",
    });
  }
  await rm(folder, { recursive: true, force: true });
}

function sameName(found: Installation, options: InstallationOptions): Installation {
  if (found.serverName === options.serverName) return found;
  throw new CbError("config", `the installation in ${found.folder} is for the server name ${found.serverName}`, {
    hint: `use that name instead of ${options.serverName}, or make another installation in another folder`,
  });
}

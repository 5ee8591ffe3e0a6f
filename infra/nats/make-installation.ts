/** Creates the keys, JWTs, first credentials and certificates of an installation: all of them or none. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { basename, dirname, join } from "node:path";
import { CbError } from "../../lib/core/errors.ts";
import { createSealingKey, sealingKeyPem } from "../../lib/core/sealed-box.ts";
import { type AccountLimits, coreAccount, guestAccount, systemAccount } from "../../lib/nats/credentials/accounts.ts";
import { formatCreds } from "../../lib/nats/credentials/creds.ts";
import { readKeyFile } from "../../lib/nats/credentials/issuer.ts";
import { accountJwt, operatorJwt, userJwt } from "../../lib/nats/credentials/jwt.ts";
import { createKey, type NKey } from "../../lib/nats/credentials/nkey.ts";
import { writeSecretFile } from "../../lib/nats/credentials/secret-file.ts";
import {
  backupPermissions,
  operatorPermissions,
  queuePermissions,
  type Rights,
  systemPermissions,
} from "../../lib/protocol/permissions.ts";
import { type Files, filesOf, type Installation, type InstallationRecord, openInstallation } from "./installation.ts";
import { signedAgain } from "./sign-again.ts";
import { makeCertificates } from "./tls.ts";

export interface InstallationOptions {
  /** It is created with its parents, mode 0700. */
  readonly folder: string;
  /** Shown in JWTs; no program reads it. */
  readonly name: string;
  /** The only DNS name in the certificate. It does not depend on the addresses of the servers. */
  readonly serverName: string;
  readonly nowMs: number;
  readonly limits?: AccountLimits;
}

/** Enough for 1000 users with one or two terminals each and a few hundred builders with two connections each. */
const DEFAULT_LIMITS: AccountLimits = { guestConnections: 4096, coreConnections: 128 };

const DNS_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/** A lower-case DNS name, which is no address. */
export const isDnsName = (text: string): boolean => DNS_NAME.test(text) && isIP(text) === 0;

/**
 * Returns the installation in `folder`, and creates it first unless it is complete. The remains of an interrupted run are replaced;
 * an installation of an earlier version gets its backup credential, its sealing key, and the operator's new rights.
 * Throws CbError "config" when the folder holds other files, when its installation has another server name, when `serverName` is
 * not a DNS name, or when openssl fails.
 */
export async function makeInstallation(options: InstallationOptions): Promise<Installation> {
  if (!isDnsName(options.serverName)) {
    throw new CbError("config", `not a DNS name: ${JSON.stringify(options.serverName)}`, {
      hint: "the server's name in the certificate is a lower-case DNS name, not an address",
    });
  }
  const found = await openInstallation(options.folder);
  if (found !== undefined) {
    refuseOtherName(found, options);
    await ensureLaterFiles(found, options.nowMs);
    return found;
  }
  await mkdir(dirname(options.folder), { recursive: true });
  const scratch = await mkdtemp(join(dirname(options.folder), `.${basename(options.folder)}-`));
  try {
    await fill(scratch, options);
    await moveInPlace(scratch, options.folder);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  const created = await openInstallation(options.folder);
  if (created === undefined) throw new Error(`the installation just created in ${options.folder} is incomplete`);
  await ensureLaterFiles(created, options.nowMs);
  return created;
}

/** The key pairs of an installation. They are in memory only while it is created. */
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
  const coreRights = coreAccount(keys.coreSigning.publicKey, sys.publicKey, limits);
  const guestRights = guestAccount(keys.guestSigning.publicKey, core.publicKey, limits);
  const jwts = [
    [files.operatorJwt, operatorJwt(about(options.name, operator), { system_account: sys.publicKey }, operator)],
    [files.sysJwt, accountJwt(about("SYS", sys), systemAccount(), operator)],
    [files.coreJwt, accountJwt(about("CORE", core), coreRights, operator)],
    [files.guestJwt, accountJwt(about("GUEST", guest), guestRights, operator)],
  ] as const;
  for (const [file, jwt] of jwts) await writeFile(file, jwt);
}

/** SYS has no signing key: its key signs its only credential here, and is then needed offline only. */
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

/** Creates the files and gives the rights that an installation of an earlier version lacks. Throws as readKeyFile. */
async function ensureLaterFiles(installation: Installation, nowMs: number): Promise<void> {
  await ensureBackupCreds(installation, nowMs);
  await ensureOperatorRights(installation, nowMs);
  const { sealingKey } = installation.files;
  if (!existsSync(sealingKey)) await writeSecretFile(sealingKey, sealingKeyPem(createSealingKey()));
}

async function ensureOperatorRights({ files, core: account }: Installation, nowMs: number): Promise<void> {
  const { operatorCreds: path } = files;
  const signingKey = await readKeyFile(files.coreSigningSeed);
  const creds = { path, text: await readFile(path, "utf8"), rights: operatorPermissions };
  const next = signedAgain(creds, { signingKey, account, nowMs });
  if (next !== undefined) await writeSecretFile(path, next);
}

/** Creates the credential that takes snapshots of the streams, if it is missing. Throws as readKeyFile. */
async function ensureBackupCreds({ files, core }: Installation, nowMs: number): Promise<void> {
  if (existsSync(files.backupCreds)) return;
  const signer = await readKeyFile(files.coreSigningSeed);
  const key = createKey("user");
  const about = { name: "backup", publicKey: key.publicKey, issuedAtMs: nowMs };
  const jwt = userJwt(about, backupPermissions(key.publicKey), signer, core);
  await writeSecretFile(files.backupCreds, formatCreds(jwt, key));
}

/**
 * rename(2) does not replace a folder that holds files. If two processes create the same installation at once, one rename
 * succeeds and the other process uses that installation.
 */
async function moveInPlace(scratch: string, folder: string): Promise<void> {
  const isTaken = await rename(scratch, folder).then(
    () => false,
    () => true,
  );
  if (!isTaken || (await openInstallation(folder)) !== undefined) return;
  await removeIncomplete(folder);
  await rename(scratch, folder);
}

/** Removes the remains of an interrupted run. Throws when the folder holds a file that is not part of an installation. */
async function removeIncomplete(folder: string): Promise<void> {
  const known = new Set(Object.values(filesOf("")).map((path) => path.split("/")[0]));
  const names = await readdir(folder).catch(() => []);
  const other = names.find((name) => !known.has(name));
  if (other !== undefined) {
    throw new CbError("config", `${folder} is not an installation: it holds ${other}`, {
      hint: "name a folder that is empty or does not exist yet",
    });
  }
  await rm(folder, { recursive: true, force: true });
}

function refuseOtherName(found: Installation, options: InstallationOptions): void {
  if (found.serverName === options.serverName) return;
  throw new CbError("config", `the installation in ${found.folder} is for the server name ${found.serverName}`, {
    hint: `use that name instead of ${options.serverName}, or create another installation in another folder`,
  });
}

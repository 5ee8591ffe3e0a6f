/**
 * The files of an installation: keys of the operator and the accounts, signing keys, the first credentials and TLS certificates.
 * All secrets and trust anchors are in one folder, which is created once.
 *
 * ```
 * installation.json   names and public keys; written last
 * operator.jwt  sys.jwt  core.jwt  guest.jwt
 * offline/            seeds of operator and accounts, key of the CA: needed to change accounts, not at run time
 * keys/               signing seeds of CORE and GUEST; the key that users seal their secrets to
 * creds/              queue (CORE), operator (CORE, reads), backup (CORE, snapshots), sys (administration of the server)
 * tls/                ca.crt, server.crt, server.key
 * ```
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { CbError, messageOf } from "../../lib/core/errors.ts";

/** Public keys and names; the JSON of `installation.json`. */
export interface InstallationRecord {
  readonly version: 1;
  readonly name: string;
  readonly serverName: string;
  readonly operator: string;
  readonly sys: string;
  readonly core: string;
  readonly guest: string;
}

export interface Installation extends Omit<InstallationRecord, "version"> {
  readonly folder: string;
  readonly files: Files;
}

export type Files = ReturnType<typeof filesOf>;

/** The paths in an installation. `offline` may be moved to another machine: no program reads it at run time. */
export function filesOf(folder: string, offline = join(folder, "offline")) {
  const at = (...path: string[]) => join(folder, ...path);
  return {
    record: at("installation.json"),
    operatorJwt: at("operator.jwt"),
    sysJwt: at("sys.jwt"),
    coreJwt: at("core.jwt"),
    guestJwt: at("guest.jwt"),
    operatorSeed: join(offline, "operator.seed"),
    sysSeed: join(offline, "sys.seed"),
    coreSeed: join(offline, "core.seed"),
    guestSeed: join(offline, "guest.seed"),
    caKeyFile: join(offline, "ca.key"),
    coreSigningSeed: at("keys", "core-signing.seed"),
    guestSigningSeed: at("keys", "guest-signing.seed"),
    sealingKey: at("keys", "sealing.key"),
    queueCreds: at("creds", "queue.creds"),
    operatorCreds: at("creds", "operator.creds"),
    backupCreds: at("creds", "backup.creds"),
    sysCreds: at("creds", "sys.creds"),
    caFile: at("tls", "ca.crt"),
    certFile: at("tls", "server.crt"),
    keyFile: at("tls", "server.key"),
  };
}

/**
 * Returns the installation in `folder`, or undefined when a file outside `offline` is missing or empty, except the backup
 * credential and the sealing key. Reads no secret. Throws CbError "config" when `installation.json` is malformed or of another version.
 */
export async function openInstallation(folder: string): Promise<Installation | undefined> {
  const { operatorSeed, sysSeed, coreSeed, guestSeed, caKeyFile, backupCreds, sealingKey, ...needed } = filesOf(folder);
  // An installation of an earlier version lacks the last two; makeInstallation adds them.
  const optional = { operatorSeed, sysSeed, coreSeed, guestSeed, caKeyFile, backupCreds, sealingKey };
  const sizes = await Promise.all(Object.values(needed).map((path) => sizeOf(path)));
  if (sizes.includes(0)) return undefined;
  const { version: _, ...record } = parseRecord(await readFile(needed.record, "utf8"), needed.record);
  return { ...record, folder, files: { ...needed, ...optional } };
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (found) => found.size,
    () => 0,
  );
}

function parseRecord(text: string, path: string): InstallationRecord {
  try {
    const record = JSON.parse(text) as InstallationRecord;
    const texts = [record.name, record.serverName, record.operator, record.sys, record.core, record.guest];
    if (record.version === 1 && texts.every((value) => typeof value === "string")) return record;
    throw new Error("a field is missing, or a newer version wrote it");
  } catch (error) {
    throw new CbError("config", `cannot use ${path}: ${messageOf(error)}`, {
      hint: "restore the file, or create a new installation in another folder",
      cause: error,
    });
  }
}

/**
 * The keys of an installation: operator, accounts, signing keys, the first credentials, TLS. Everything that is secret
 * and everything that is trusted, in one folder, made once.
 *
 * ```
 * installation.json   names and public keys; written last
 * operator.jwt  sys.jwt  core.jwt  guest.jwt
 * offline/            seeds of operator and accounts, key of the CA: needed to change accounts, not to run
 * keys/               signing seeds of CORE and GUEST
 * creds/              queue (CORE), operator (CORE, reads), sys (administration of the server)
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

/** Where everything is. `offline` may be taken away: nothing at run time reads it. */
export function filesOf(folder: string) {
  const at = (...path: string[]) => join(folder, ...path);
  return {
    record: at("installation.json"),
    operatorJwt: at("operator.jwt"),
    sysJwt: at("sys.jwt"),
    coreJwt: at("core.jwt"),
    guestJwt: at("guest.jwt"),
    operatorSeed: at("offline", "operator.seed"),
    sysSeed: at("offline", "sys.seed"),
    coreSeed: at("offline", "core.seed"),
    guestSeed: at("offline", "guest.seed"),
    caKeyFile: at("offline", "ca.key"),
    coreSigningSeed: at("keys", "core-signing.seed"),
    guestSigningSeed: at("keys", "guest-signing.seed"),
    queueCreds: at("creds", "queue.creds"),
    operatorCreds: at("creds", "operator.creds"),
    sysCreds: at("creds", "sys.creds"),
    caFile: at("tls", "ca.crt"),
    certFile: at("tls", "server.crt"),
    keyFile: at("tls", "server.key"),
  };
}

/** The installation in that folder, or nothing when there is none or not all of it. Never reads a secret. */
export async function openInstallation(folder: string): Promise<Installation | undefined> {
  const { operatorSeed, sysSeed, coreSeed, guestSeed, caKeyFile, ...needed } = filesOf(folder);
  const offline = { operatorSeed, sysSeed, coreSeed, guestSeed, caKeyFile };
  const sizes = await Promise.all(Object.values(needed).map((path) => sizeOf(path)));
  if (sizes.includes(0)) return undefined;
  const { version: _, ...record } = parseRecord(await readFile(needed.record, "utf8"), needed.record);
  return { ...record, folder, files: { ...needed, ...offline } };
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
    throw new Error("a field is missing, or it was made by a newer version");
  } catch (error) {
    throw new CbError("config", `cannot use ${path}: ${messageOf(error)}`, {
      hint: "restore the file, or make a new installation in another folder",
      cause: error,
    });
  }
}

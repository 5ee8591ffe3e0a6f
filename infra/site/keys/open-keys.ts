/** Opens the keys of a site, and makes the missing ones: all at the first time, later only those that a changed answer needs. */
import { copyFile, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { CbError, messageOf } from "../../../lib/core/errors.ts";
import { readKeyFile } from "../../../lib/nats/credentials/issuer.ts";
import { readSealingKeys } from "../../../lib/nats/credentials/sealing-key.ts";
import { type Files, filesOf, type Installation, openInstallation } from "../../nats/installation.ts";
import { makeInstallation } from "../../nats/make-installation.ts";
import type { Site } from "../answers/site-schema.ts";
import type { SiteKeys } from "../files/site-keys.ts";
import { readIfPresent, type SiteFolder } from "../site-folder.ts";
import { operatorCreds } from "./operator-creds.ts";
import { serverCertificates } from "./server-certificates.ts";

export interface OpenedKeys {
  readonly keys: SiteKeys;
  /** Operators who are listed no more. Their credentials work until `renew --finish`. */
  readonly left: readonly string[];
}

/**
 * Throws CbError "config" when a file of the installation is missing, when the site has another name than its keys, and as
 * serverCertificates.
 */
export async function openKeys(site: Site, folder: SiteFolder, nowMs: number): Promise<OpenedKeys> {
  const installation = await siteInstallation(site, folder, nowMs);
  const files = siteFiles(folder);
  const certificates = await serverCertificates({ site, folder, files, nowMs });
  const signer = async () => ({
    signingKey: await readKeyFile(files.coreSigningSeed),
    core: installation.core,
    nowMs,
  });
  const { creds, left } = await operatorCreds(folder, site.operators, signer);
  const cloudLogin = await readCloudLogin(site);
  const keys = { ...(await installationKeys(installation, files)), ...certificates, cloudLogin, operators: creds };
  return { keys, left };
}

async function readCloudLogin({ cloud }: Site): Promise<string | undefined> {
  const path = cloud?.builders?.login;
  if (path === undefined) return undefined;
  return readFile(path, "utf8").catch((cause: unknown) => {
    throw new CbError(
      "config",
      `cannot read ${path}, which cloud.builders.login in site.yaml names: ${messageOf(cause)}`,
      {
        hint: "put a clouds.yaml with the login of cb-queue there (docs/openstack.md)",
        cause,
      },
    );
  });
}

/** The files of the installation in a site's folder. */
export function siteFiles({ installation, offline }: SiteFolder): Files {
  return filesOf(installation, offline);
}

async function siteInstallation(site: Site, folder: SiteFolder, nowMs: number): Promise<Installation> {
  await refuseIncomplete(folder);
  const { name, serverName } = site;
  const installation = await makeInstallation({ folder: folder.installation, name, serverName, nowMs });
  await moveOffline(folder);
  return installation;
}

/**
 * All machines of a site carry its name, and all its clients know the name of its servers. Throws CbError "config" when the keys in the
 * folder are of other names.
 */
export async function refuseOtherNames({ name, serverName }: Site, { root, installation }: SiteFolder): Promise<void> {
  const found = await openInstallation(installation);
  if (found === undefined || (found.name === name && found.serverName === serverName)) return;
  const [key, is, asked] =
    found.name === name ? ["serverName", found.serverName, serverName] : ["name", found.name, name];
  throw new CbError("config", `the keys in ${root} have the ${key} ${is}, not ${asked}`, {
    hint: `a site keeps its names: write ${key}: ${is} into site.yaml, or make another site in another folder`,
  });
}

/** makeInstallation() would replace an installation that lacks a file, and the hosts of this one have its keys. */
async function refuseIncomplete({ installation }: SiteFolder): Promise<void> {
  const { record } = filesOf(installation);
  if ((await readIfPresent(record)) === undefined || (await openInstallation(installation)) !== undefined) return;
  const offline = join(installation, "offline");
  const { backupCreds: _backup, sealingKey: _sealing, ...files } = filesOf(installation);
  const needed = Object.values(files).filter((path) => !path.startsWith(`${offline}/`));
  const contents = await Promise.all(needed.map(readIfPresent));
  const missing = needed.find((_, at) => (contents[at] ?? "") === "");
  throw new CbError("config", `${missing ?? installation} is missing or empty`, {
    hint: "restore it from a copy of the folder; a new installation would not work with the hosts of this one",
  });
}

/** Done again by the next run if this one is killed. A revocation needs the credential of SYS beside the operator key. */
async function moveOffline({ installation, offline }: SiteFolder): Promise<void> {
  const made = join(installation, "offline");
  if ((await readIfPresent(join(made, "operator.seed"))) === undefined) return;
  await copyFile(filesOf(installation).sysCreds, join(made, "sys.creds"));
  await rename(made, offline);
}

async function installationKeys({ sys, core, guest }: Installation, files: Files) {
  const text = async (path: string) => (await readFile(path, "utf8")).trim();
  const guestJwt = await text(files.guestJwt);
  return {
    operatorJwt: await text(files.operatorJwt),
    accounts: [
      { id: sys, jwt: await text(files.sysJwt) },
      { id: core, jwt: await text(files.coreJwt) },
      { id: guest, jwt: guestJwt },
    ],
    guest,
    guestJwt,
    queueCreds: await readFile(files.queueCreds, "utf8"),
    backupCreds: await readFile(files.backupCreds, "utf8"),
    guestSigningSeed: await readFile(files.guestSigningSeed, "utf8"),
    sealingKeyPem: await readFile(files.sealingKey, "utf8"),
    sealingKey: (await readSealingKeys(files.sealingKey))[0].publicKey,
  };
}

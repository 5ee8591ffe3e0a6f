/** `cb-admin site renew`: replaces certificates, signing keys and the queue's key while everything runs. */
import { readFile, rm } from "node:fs/promises";
import { CbError } from "../../../lib/core/errors.ts";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import { readKeyFile } from "../../../lib/nats/credentials/issuer.ts";
import { keyFromSeed } from "../../../lib/nats/credentials/nkey.ts";
import { type Signing, withRevocations } from "../../../lib/nats/credentials/revocation.ts";
import { writeWholeFile } from "../../../lib/nats/credentials/secret-file.ts";
import type { Files } from "../../nats/installation.ts";
import { serverRequest } from "../../nats/tls.ts";
import { parseSite } from "../answers/read-site.ts";
import type { Site } from "../answers/site-schema.ts";
import { natsUrl } from "../files/queue-files.ts";
import { type InitResult, writeSite } from "../init.ts";
import { openKeys, siteFiles } from "../keys/open-keys.ts";
import { removeIfSignedByOther, replaceQueueCreds, retiredKeys, signAgain } from "../keys/operator-creds.ts";
import { renewCertificate, routeRequest } from "../keys/server-certificates.ts";
import { readIfPresent, readOffline, type SiteFolder, siteFolder } from "../site-folder.ts";
import { addAuthority, dropOldAuthority, isAuthorityRenewed } from "./authority.ts";
import { pushAccounts } from "./push-accounts.ts";
import { addSealingKey, dropOldSealingKeys } from "./sealing-key.ts";
import { addSigningKey, dropOtherSigningKeys } from "./signing-key.ts";

export interface Renewal {
  readonly certificates?: boolean;
  readonly signingKeys?: boolean;
  readonly queueKey?: boolean;
  /** The installation's own CA. */
  readonly ca?: boolean;
  /** The key that users seal their secrets to. */
  readonly sealingKey?: boolean;
  /** Ends a renewal: NATS refuses the old signing keys and the retired credentials, and the old CA and sealing key are dropped. */
  readonly finish?: boolean;
}

interface Parts {
  readonly site: Site;
  readonly folder: SiteFolder;
  readonly files: Files;
  readonly nowMs: number;
}

/**
 * Throws CbError "usage" when nothing or too much is asked for, "config" as initSite, and for signing keys and `finish` also
 * "unreachable" and "denied" as connectNats. After an error or a kill the same call completes the work.
 */
export async function renewSite(root: string, renewal: Renewal, nowMs: number): Promise<InitResult> {
  const { certificates, signingKeys, queueKey, ca, sealingKey, finish } = renewal;
  const renews = certificates || signingKeys || queueKey || ca || sealingKey;
  if (Boolean(renews) === Boolean(finish)) {
    throw new CbError("usage", "name what to renew, or --finish alone", {
      hint: "cb-admin site renew FOLDER --certificates | --signing-keys | --queue-key | --ca | --sealing-key | --finish",
    });
  }
  if (ca && certificates) {
    throw new CbError("usage", "a new CA and certificates that it signs cannot come at once", {
      hint: "first --ca; when all holders have the new ca.crt, --certificates",
    });
  }
  const folder = siteFolder(root);
  const text = await readIfPresent(folder.yaml);
  if (text === undefined) throw new CbError("usage", `there is no site in ${root}: it has no site.yaml`);
  const parts: Parts = { site: parseSite(text, folder.yaml), folder, files: siteFiles(folder), nowMs };
  await openKeys(parts.site, folder, nowMs);
  if (ca) await renewAuthority(parts);
  if (certificates) await renewCertificates(parts);
  if (signingKeys) await renewSigningKeys(parts);
  if (queueKey) await replaceQueueCreds(folder, parts.files.queueCreds, await coreSigner(parts));
  if (sealingKey) await addSealingKey(parts.files.sealingKey);
  if (finish) await finishRenewal(parts);
  return writeSite(parts.site, folder, nowMs);
}

async function renewAuthority({ site, folder, files, nowMs }: Parts): Promise<void> {
  if (site.certificates !== undefined && site.nats.hosts.length === 1) {
    throw new CbError("usage", `site.yaml names the CA ${site.certificates.ca}, and this site uses no other`, {
      hint: `put both CAs into that file, and run: cb-admin site init ${folder.root}`,
    });
  }
  await addAuthority(files, nowMs);
}

async function renewCertificates(parts: Parts): Promise<void> {
  const { site, folder, files } = parts;
  if (site.certificates === undefined) await renewCertificate(parts, serverRequest(files, site.serverName));
  else if (site.nats.hosts.length === 1) {
    throw new CbError("usage", `site.yaml names the certificate ${site.certificates.cert}, which another CA signs`, {
      hint: `replace that file and its key, and run: cb-admin site init ${folder.root}`,
    });
  }
  if (site.nats.hosts.length > 1)
    for (const host of site.nats.hosts) await renewCertificate(parts, routeRequest(folder, host));
}

async function renewSigningKeys(parts: Parts): Promise<void> {
  const { folder, files } = parts;
  const signing = await operatorSigning(parts);
  for (const account of accountsOf(files)) await addSigningKey(account, signing);
  const signer = await coreSigner(parts);
  await signAgain(folder, files.queueCreds, signer);
  await removeIfSignedByOther(files.backupCreds, signer);
  await push(parts, signing);
}

async function finishRenewal(parts: Parts): Promise<void> {
  const { site, folder, files, nowMs } = parts;
  const signing = await operatorSigning(parts);
  await dropOldSealingKeys(files.sealingKey);
  if (await isAuthorityRenewed(files)) await dropOldAuthority(site, folder, files);
  for (const account of accountsOf(files)) await dropOtherSigningKeys(account, signing);
  const atS = Math.floor(nowMs / 1000);
  const retired = Object.fromEntries((await retiredKeys(folder)).map((key) => [key, atS]));
  const core = (await readFile(files.coreJwt, "utf8")).trim();
  await writeWholeFile(files.coreJwt, withRevocations(core, retired, signing), 0o600);
  await push(parts, signing);
  await rm(folder.retired, { recursive: true, force: true });
}

async function push({ site, files, nowMs }: Parts, signing: Signing): Promise<void> {
  const ca = await readFile(site.certificates?.ca ?? files.caFile, "utf8");
  const address = { url: natsUrl(site), servername: site.serverName, ca };
  const sys = await readCreds(files.sysCreds, nowMs);
  await pushAccounts([files.coreJwt, files.guestJwt], { address, sys, signing });
}

function accountsOf({ coreJwt, coreSigningSeed, guestJwt, guestSigningSeed }: Files) {
  return [
    { jwt: coreJwt, seed: coreSigningSeed },
    { jwt: guestJwt, seed: guestSigningSeed },
  ];
}

async function operatorSigning({ files, nowMs }: Parts): Promise<Signing> {
  const seed = await readOffline(files.operatorSeed, "sign the accounts");
  return { operatorKey: keyFromSeed(seed.trim()), nowMs };
}

async function coreSigner({ files, nowMs }: Parts) {
  const { core } = JSON.parse(await readFile(files.record, "utf8")) as { core: string };
  return { signingKey: await readKeyFile(files.coreSigningSeed), core, nowMs };
}

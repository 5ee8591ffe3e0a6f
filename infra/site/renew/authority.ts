/**
 * Replaces the installation's own CA without a stop. While the renewal is under way the CA file has the new certificate, which signs,
 * and the old one after it, so that every holder of the file trusts both.
 */
import { readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { CbError } from "../../../lib/core/errors.ts";
import { writeWholeFile } from "../../../lib/nats/credentials/secret-file.ts";
import type { Files } from "../../nats/installation.ts";
import { makeAuthority } from "../../nats/tls.ts";
import type { Site } from "../answers/site-schema.ts";
import { certificateFaults, pemsIn } from "../keys/certificate-faults.ts";
import { readIfPresent, readOffline, type SiteFolder } from "../site-folder.ts";

/** The CA file is no secret. */
const MODE = 0o644;

/** True while the old CA is trusted beside the new one. */
export async function isAuthorityRenewed(files: Files): Promise<boolean> {
  return pemsIn(await readFile(files.caFile, "utf8")).length > 1;
}

/**
 * Does nothing while a renewal is under way. A run that was killed between two writes is completed by the next one: the new key and its
 * certificate are in files of their own first. Throws CbError "config" when the key of the CA is elsewhere.
 */
export async function addAuthority(files: Files, nowMs: number): Promise<void> {
  await readOffline(files.caKeyFile, "renew the CA");
  const next = { caFile: `${files.caFile}.next`, caKeyFile: `${files.caKeyFile}.next` };
  const trusted = await readFile(files.caFile, "utf8");
  const made = await readIfPresent(next.caFile);
  const hasKey = (await readIfPresent(next.caKeyFile)) !== undefined;
  if (!hasKey && pemsIn(trusted).length > 1) return;
  if (made === undefined || !hasKey) {
    // Of an earlier renewal: it does not belong to the new key.
    await rm(next.caFile, { force: true });
    // Another subject than the old CA's: TLS finds the CA of a certificate by it.
    await makeAuthority(next, nowMs, `container-builder CA ${new Date(nowMs).toISOString()}`);
  }
  const added = await readFile(next.caFile, "utf8");
  if (!trusted.includes(added.trim())) await writeWholeFile(files.caFile, `${added.trim()}\n${trusted}`, MODE);
  await rename(next.caKeyFile, files.caKeyFile);
  await rm(next.caFile);
}

/** Throws CbError "config" with the first certificate that the old CA signed, before anything is changed. */
export async function dropOldAuthority(site: Site, folder: SiteFolder, files: Files): Promise<void> {
  const [current = ""] = pemsIn(await readFile(files.caFile, "utf8"));
  const own = { cert: files.certFile, key: files.keyFile, name: site.serverName };
  const routes = site.nats.hosts.map(({ name, address }) => ({
    cert: join(folder.routes, `${name}.crt`),
    key: join(folder.routes, `${name}.key`),
    name: address,
  }));
  const pairs = [...(site.certificates === undefined ? [own] : []), ...(routes.length > 1 ? routes : [])];
  for (const { cert, key, name } of pairs) {
    const pair = { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") };
    if (certificateFaults(pair, { ca: current, name }).length === 0) continue;
    throw new CbError("config", `${cert} is still signed by the old CA, which --finish would drop`, {
      hint: `first, when all holders have the new ca.crt: cb-admin site renew ${folder.root} --certificates`,
    });
  }
  await writeWholeFile(files.caFile, `${current}\n`, MODE);
}

/** Checks the certificates of a site: lifetimes, names, keys and signatures. */
import { join } from "node:path";
import type { Files } from "../../nats/installation.ts";
import type { Site } from "../answers/site-schema.ts";
import { certificateFaults, endOf } from "../keys/certificate-faults.ts";
import { readIfPresent, type SiteFolder } from "../site-folder.ts";
import { type Findings, joined } from "./fault.ts";

export async function checkCertificates(site: Site, folder: SiteFolder, files: Files): Promise<Findings> {
  const own = { ca: files.caFile, cert: files.certFile, key: files.keyFile };
  const { ca, cert, key } = site.certificates ?? own;
  const isOwn = site.certificates === undefined;
  const remedy = isOwn
    ? `cb-admin site renew ${folder.root} --certificates`
    : "get a new certificate, and run: cb-admin site init";
  const server = await checkPair({ ca, cert, key, name: site.serverName, remedy });
  const hosts = site.nats.hosts.length === 1 ? [] : site.nats.hosts;
  const routes = hosts.map(({ name, address }) =>
    checkPair({
      ca: files.caFile,
      cert: join(folder.routes, `${name}.crt`),
      key: join(folder.routes, `${name}.key`),
      name: address,
      remedy: `cb-admin site init ${folder.root}`,
    }),
  );
  const authorities = [...new Set([ca, files.caFile])].map(checkAuthority);
  return joined([server, ...(await Promise.all([...routes, ...authorities]))]);
}

interface Pair {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly name: string;
  readonly remedy: string;
}

async function checkPair({ ca, cert, key, name, remedy }: Pair): Promise<Findings> {
  const [caText, certText, keyText] = await Promise.all([ca, cert, key].map(readIfPresent));
  for (const [path, text] of [
    [cert, certText],
    [key, keyText],
  ] as const) {
    if (text === undefined) return { faults: [{ path, text: "is missing", remedy }], lifetimes: [] };
  }
  const faults = certificateFaults({ cert: certText ?? "", key: keyText ?? "" }, { ca: caText ?? "", name });
  const endsAtMs = endOf(certText ?? "");
  return {
    faults: faults.map((text) => ({ path: cert, text, remedy })),
    lifetimes: endsAtMs === undefined ? [] : [{ path: cert, endsAtMs }],
  };
}

async function checkAuthority(path: string): Promise<Findings> {
  const endsAtMs = endOf((await readIfPresent(path)) ?? "");
  if (endsAtMs !== undefined) return { faults: [], lifetimes: [{ path, endsAtMs }] };
  return {
    faults: [{ path, text: "has no certificate", remedy: "restore it from a copy of the folder" }],
    lifetimes: [],
  };
}

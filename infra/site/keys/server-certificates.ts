/** The servers' certificate and those of the routes: read, checked, and made when they are missing or do not fit. */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { CbError, messageOf } from "../../../lib/core/errors.ts";
import type { Files } from "../../nats/installation.ts";
import { type CertificateRequest, makeCertificate, serverRequest } from "../../nats/tls.ts";
import type { NatsHost, Site } from "../answers/site-schema.ts";
import type { CertificatePair } from "../files/site-keys.ts";
import { readIfPresent, readOffline, type SiteFolder } from "../site-folder.ts";
import { certificateFaults } from "./certificate-faults.ts";

export interface ServerCertificates {
  readonly ca: string;
  readonly server: CertificatePair;
  readonly routeCa: string;
  readonly routes: ReadonlyMap<string, CertificatePair>;
}

export interface CertificateSources {
  readonly site: Site;
  readonly folder: SiteFolder;
  readonly files: Files;
  readonly nowMs: number;
}

/**
 * Makes a certificate only when there is no fitting one. Throws CbError "config" when a new one is needed and the key of the CA is
 * elsewhere, and for certificates of the site that are missing or do not fit.
 */
export async function serverCertificates(sources: CertificateSources): Promise<ServerCertificates> {
  const { site, files } = sources;
  const ownCa = await readFile(files.caFile, "utf8");
  const { ca, server } =
    site.certificates === undefined
      ? { ca: ownCa, server: await ownServer(sources, ownCa) }
      : await givenServer(site.certificates, site.serverName);
  return { ca, server, routeCa: ownCa, routes: await routeCertificates(sources, ownCa) };
}

function ownServer(sources: CertificateSources, ca: string): Promise<CertificatePair> {
  const { serverName } = sources.site;
  return fitting(sources, serverRequest(sources.files, serverName), { ca, name: serverName });
}

async function givenServer(paths: NonNullable<Site["certificates"]>, name: string) {
  const read = async (path: string) =>
    readFile(path, "utf8").catch((cause: unknown) => {
      throw new CbError("config", `cannot read ${path}, which "certificates" in site.yaml names: ${messageOf(cause)}`, {
        hint: "put the file there, or remove certificates from site.yaml for an own CA",
        cause,
      });
    });
  const [ca, cert, key] = [await read(paths.ca), await read(paths.cert), await read(paths.key)];
  const [fault] = certificateFaults({ cert, key }, { ca, name });
  if (fault === undefined) return { ca, server: { cert, key } };
  throw new CbError("config", `the certificate ${paths.cert} ${fault}`, {
    hint: `it must be for ${name} and signed by ${paths.ca}, and ${paths.key} must be its key`,
  });
}

async function routeCertificates(sources: CertificateSources, ca: string): Promise<Map<string, CertificatePair>> {
  const { site, folder } = sources;
  const hosts = site.nats.hosts.length === 1 ? [] : site.nats.hosts;
  if (hosts.length > 0) await mkdir(folder.routes, { recursive: true, mode: 0o700 });
  const pairs = new Map<string, CertificatePair>();
  for (const host of hosts) {
    pairs.set(host.name, await fitting(sources, routeRequest(folder, host), { ca, name: host.address }));
  }
  await removeOthers(folder.routes, new Set(pairs.keys()));
  return pairs;
}

/** A node is the server and the client of its routes, and verifies that the other end has the address that it connects to. */
export function routeRequest(folder: SiteFolder, { name, address }: NatsHost): CertificateRequest {
  return {
    name,
    ...(isIP(address) === 0 ? { dnsNames: [address], addresses: [] } : { dnsNames: [], addresses: [address] }),
    usages: ["serverAuth", "clientAuth"],
    certFile: join(folder.routes, `${name}.crt`),
    keyFile: join(folder.routes, `${name}.key`),
  };
}

/** A run that was killed between key and certificate leaves a pair that does not fit, which is made again. */
async function fitting(
  sources: CertificateSources,
  request: CertificateRequest,
  expected: { readonly ca: string; readonly name: string },
): Promise<CertificatePair> {
  const found = await pairOf(request);
  if (certificateFaults(found, expected).length === 0) return found;
  await renewCertificate(sources, request);
  return pairOf(request);
}

/** Replaces the pair. Throws CbError "config" when the key of the CA is elsewhere. */
export async function renewCertificate(
  { files, nowMs }: CertificateSources,
  request: CertificateRequest,
): Promise<void> {
  await readOffline(files.caKeyFile, `sign a certificate for ${[...request.dnsNames, ...request.addresses]}`);
  await makeCertificate(files, request, nowMs);
}

async function pairOf({ certFile, keyFile }: CertificateRequest): Promise<CertificatePair> {
  return { cert: (await readIfPresent(certFile)) ?? "", key: (await readIfPresent(keyFile)) ?? "" };
}

async function removeOthers(folder: string, kept: ReadonlySet<string>): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const others = names.filter((name) => !kept.has(name.replace(/\.(crt|key)$/, "")));
  for (const name of others) await rm(join(folder, name), { recursive: true, force: true });
}

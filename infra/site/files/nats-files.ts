/** The files of a NATS host: nats-server.conf and certificates. */
import { isIPv6 } from "node:net";
import { serverConfig } from "../../nats/server-config.ts";
import { storageLimit } from "../../nats/storage-limit.ts";
import type { NatsHost, Site } from "../answers/site-schema.ts";
import { ETC, NATS_GROUP, PUBLIC, SERVICE_SECRET, type SiteFile } from "./site-file.ts";
import type { CertificatePair, SiteKeys } from "./site-keys.ts";

const TLS = `${ETC}/tls`;
/** The servers' CA is also what cb-queue on the same host verifies. */
export const HOST_CA = `${TLS}/ca.crt`;

/** A server that does not answer two pings loses its clients within 3 s, as the tests of the queue assume. */
const PING_INTERVAL_MS = 1000;

export function natsFiles(site: Site, keys: SiteKeys, host: NatsHost): SiteFile[] {
  const file = (target: string, text: string, mode: number): SiteFile => ({
    path: `hosts/${host.name}${target}`,
    holder: host.name,
    target,
    group: NATS_GROUP,
    mode,
    text,
  });
  const pair = (name: string, { cert, key }: CertificatePair) => [
    file(`${TLS}/${name}.crt`, cert, PUBLIC),
    file(`${TLS}/${name}.key`, key, SERVICE_SECRET),
  ];
  const route = keys.routes.get(host.name);
  return [
    file(`${ETC}/nats-server.conf`, natsConf(site, keys, host), SERVICE_SECRET),
    file(HOST_CA, keys.ca, PUBLIC),
    ...pair("server", keys.server),
    ...(route === undefined ? [] : [file(`${TLS}/route-ca.crt`, keys.routeCa, PUBLIC), ...pair("route", route)]),
  ];
}

function natsConf(site: Site, keys: SiteKeys, host: NatsHost): string {
  const { hosts, port, routePort, storage } = site.nats;
  // JetStream expects as many members as routes are listed, so the host's own, which nats-server does not use, is among them.
  const peers = hosts.length === 1 ? [] : hosts.map(({ address }) => hostPort(address, routePort));
  const cluster = {
    name: site.name,
    host: host.listen,
    port: routePort,
    peers,
    certFile: `${TLS}/route.crt`,
    keyFile: `${TLS}/route.key`,
    caFile: `${TLS}/route-ca.crt`,
  };
  return serverConfig({
    serverName: host.name,
    host: host.listen,
    port,
    dataDir: storage.folder,
    operatorJwt: keys.operatorJwt,
    accounts: keys.accounts,
    certFile: `${TLS}/server.crt`,
    keyFile: `${TLS}/server.key`,
    maxFileBytes: maxFileBytes(storage.size),
    pingIntervalMs: PING_INTERVAL_MS,
    tags: ["container-builder"],
    hasSyncInterval: true,
    isManaged: true,
    ...(peers.length === 0 ? {} : { cluster }),
  });
}

/** The part of an empty disk of this size that the streams get. */
function maxFileBytes(sizeBytes: number): number {
  return storageLimit({ totalBytes: sizeBytes, freeBytes: sizeBytes, usedBytes: 0, reservedBytes: 0 }, sizeBytes);
}

export function hostPort(address: string, port: number): string {
  return `${isIPv6(address) ? `[${address}]` : address}:${port}`;
}

/** The files of a queue host: queue.yaml, its credential, and the keys that sign credentials of guests and open secrets. */
import { stringify } from "yaml";
import { HOST_LOOPBACK } from "../../../lib/provider/sandbox/egress.ts";
import type { Host, Site } from "../answers/site-schema.ts";
import { cloudPool } from "./cloud-pool.ts";
import { copiesAt, copiesHost } from "./copies-files.ts";
import { HOST_CA, hostPort } from "./nats-files.ts";
import { ETC, PUBLIC, QUEUE_GROUP, SERVICE_SECRET, type SiteFile } from "./site-file.ts";
import type { SiteKeys } from "./site-keys.ts";

export function queueFiles(site: Site, keys: SiteKeys, host: Host): SiteFile[] {
  const file = (target: string, text: string, mode: number): SiteFile => ({
    path: `hosts/${host.name}${target}`,
    holder: host.name,
    target,
    group: QUEUE_GROUP,
    mode,
    text,
  });
  const isNatsHost = site.nats.hosts.some(({ name }) => name === host.name);
  const config = stringify(queueContent(site, keys.guest, host), { lineWidth: 0 });
  return [
    file(
      `${ETC}/queue.yaml`,
      `# Written by cb-admin site init from site.yaml; changes are lost.\n${config}`,
      SERVICE_SECRET,
    ),
    file(`${ETC}/queue.creds`, keys.queueCreds, SERVICE_SECRET),
    file(`${ETC}/guest-signing.seed`, keys.guestSigningSeed, SERVICE_SECRET),
    file(`${ETC}/sealing.key`, keys.sealingKeyPem, SERVICE_SECRET),
    ...(keys.cloudLogin === undefined ? [] : [file(`${ETC}/clouds.yaml`, keys.cloudLogin, SERVICE_SECRET)]),
    // A NATS host has it already.
    ...(isNatsHost ? [] : [file(HOST_CA, keys.ca, PUBLIC)]),
  ];
}

/** Metrics, health checks and the status page, for the host itself alone. The port is that of docs/monitoring.md. */
const HTTP_LISTEN = "127.0.0.1:9464";

/** The content of queue.yaml. `guest` is the public key of GUEST. */
export function queueContent(site: Site, guest: string, host: Host): Record<string, unknown> {
  const tls = { servername: site.serverName, ca: HOST_CA };
  return {
    installation: site.name,
    nats: { url: natsUrl(site), ...tls, creds: `${ETC}/queue.creds`, replicas: site.nats.hosts.length },
    issuer: { account: guest, signingKey: `${ETC}/guest-signing.seed`, sealingKey: `${ETC}/sealing.key` },
    http: { listen: HTTP_LISTEN },
    pools: [...site.pools, ...cloudPool(site)].map((pool) => withReachable(site, pool, host)),
    ...(site.registries.length === 0 ? {} : { registries: site.registries }),
    ...(Object.keys(site.limits).length === 0 ? {} : { limits: site.limits }),
    ...(Object.keys(site.quotas).length === 0 ? {} : { quotas: site.quotas }),
    ...(Object.keys(site.bootstraps).length === 0 ? {} : { bootstraps: site.bootstraps }),
    ...(site.compression === undefined ? {} : { compression: site.compression }),
  };
}

/** All NATS hosts: a client takes another one when one is down. */
export function natsUrl({ nats }: Site): string {
  return nats.hosts.map(({ address }) => `tls://${hostPort(address, nats.port)}`).join(",");
}

/**
 * A sandbox reaches no other address of its host than the loopback, as 10.0.2.2 and at listed ports only. So the NATS server and the
 * copies of base images on the same host are at that address, and others are as for all hosts.
 */
function withReachable(site: Site, pool: Site["pools"][number], host: Host): unknown {
  const isLocal = pool.provider.kind !== "openstack";
  const { hosts, port } = site.nats;
  const urls = hosts.map(({ name, address }) => (isLocal && name === host.name ? HOST_LOOPBACK : address));
  const nats = {
    url: urls.map((one) => `tls://${hostPort(one, port)}`).join(","),
    servername: site.serverName,
    ca: HOST_CA,
  };
  const copier = copiesHost(site);
  const copies =
    copier === undefined ? [] : copiesAt(site, isLocal && copier.name === host.name ? HOST_LOOPBACK : copier.address);
  const { provider, nats: own = nats, mirrors = copies, ...settings } = pool;
  const allowHostPorts = [
    ...(urls.includes(HOST_LOOPBACK) ? [hostPort(HOST_LOOPBACK, port)] : []),
    ...copies.map((copy) => copy.host).filter((one) => one.startsWith(`${HOST_LOOPBACK}:`)),
  ];
  return {
    ...settings,
    nats: own,
    ...(copies.length === 0 && pool.mirrors === undefined ? {} : { mirrors }),
    provider: isLocal ? { ...provider, allowHostPorts: provider.allowHostPorts ?? allowHostPorts } : provider,
  };
}

/** registry.yaml of the host that keeps copies of base images, and the copies as the pools reach them. */
import { stringify } from "yaml";
import type { Mirror } from "../../../lib/protocol/builder-messages.ts";
import type { NatsHost, Site } from "../answers/site-schema.ts";
import type { Change } from "../tree/changes.ts";
import { hostPort } from "./nats-files.ts";
import { ETC, REGISTRY_GROUP, SERVICE_SECRET, type SiteFile } from "./site-file.ts";

/** Of cb-registry.service. */
const FOLDER = "/var/lib/cb-registry";

const TARGET = `${ETC}/registry.yaml`;
const pathAt = (host: string): string => `hosts/${host}${TARGET}`;

/** Debian's package starts a registry of its own on the port of the first copy. */
export const START_COPIES =
  "apt-get install -y docker-registry && systemctl disable --now docker-registry && systemctl enable --now cb-registry";
const STOP = `systemctl disable --now cb-registry && rm -f ${TARGET}`;

/** The command on the host that makes cb-registry follow a new, changed or removed registry.yaml, by the files that differ. */
export function copiesCommand(host: string, changes: readonly Change[]): string | undefined {
  const change = changes.find(({ path }) => path === pathAt(host));
  if (change === undefined) return undefined;
  return { new: START_COPIES, changed: "systemctl restart cb-registry", mode: undefined, removed: STOP }[change.kind];
}

/** The host of the copies; undefined: the site keeps none. */
export function copiesHost({ copies, nats }: Site): NatsHost | undefined {
  if (copies === undefined) return undefined;
  return copies.host === undefined ? nats.hosts[0] : nats.hosts.find(({ name }) => name === copies.host);
}

/** The ports that builders must reach, one for each registry. */
export function copiesPorts({ copies }: Site): number[] {
  return copies?.registries.map((_, at) => copies.port + at) ?? [];
}

export function copiesFiles(site: Site): SiteFile[] {
  const { copies } = site;
  const host = copiesHost(site);
  if (copies === undefined || host === undefined) return [];
  const ports = copiesPorts(site);
  const registries = copies.registries.map(({ host: registry, plainHttp }, at) => ({
    host: registry,
    ...(plainHttp ? { plainHttp } : {}),
    listen: hostPort(host.listen, ports[at] ?? 0),
  }));
  const content = stringify({ folder: FOLDER, maxGiB: copies.maxGiB, registries }, { lineWidth: 0 });
  return [
    {
      path: pathAt(host.name),
      holder: host.name,
      target: TARGET,
      group: REGISTRY_GROUP,
      mode: SERVICE_SECRET,
      text: `# Written by cb-admin site init from site.yaml; changes are lost.\n${content}`,
    },
  ];
}

/** The copies, for a pool with builders that reach their host at `address`. */
export function copiesAt(site: Site, address: string): Mirror[] {
  const ports = copiesPorts(site);
  return (site.copies?.registries ?? []).map(({ host }, at) => ({
    registry: host,
    host: hostPort(address, ports[at] ?? 0),
    plainHttp: true,
  }));
}

/** Reads what the cloud has of a site, and what has a name that the site needs. */

import type { Image } from "../../../lib/provider/openstack/api/images.ts";
import type { FloatingAddress, Port } from "../../../lib/provider/openstack/api/ports.ts";
import type { SecurityGroup } from "../../../lib/provider/openstack/api/security-groups.ts";
import { isSoftDeleted, LAUNCHED_AT, type Server, TASK_STATE } from "../../../lib/provider/openstack/api/server.ts";
import { tagOf } from "../../../lib/provider/openstack/identity-tags.ts";
import { ownServer } from "../../../lib/provider/openstack/own-server.ts";
import { CONFIG_KEY, DIGEST_KEY, FLAVOR_KEY, IMAGE_KEY, markOf, ROLE_KEY, SITE_KEY } from "./names.ts";
import type {
  ObservedGroup,
  ObservedImage,
  ObservedPort,
  ObservedServer,
  ObservedSite,
  PendingRestore,
  Rule,
} from "./plan/site-state.ts";
import type { SiteCloud } from "./site-cloud.ts";

export interface Observation {
  /** The installation, which its builders carry too. */
  readonly site: string;
  /** The names of images that the site needs. */
  readonly imageNames: readonly string[];
  readonly pendingRestore: PendingRestore | undefined;
}

/** Throws CbError when any of the lists cannot be read: a part would look like missing resources. */
export async function observeSite(
  cloud: SiteCloud,
  { site, imageNames, pendingRestore }: Observation,
  signal: AbortSignal,
): Promise<ObservedSite> {
  const [groups, ports, floating, images, servers, builders] = await Promise.all([
    cloud.groups.list(signal),
    cloud.ports.list(signal),
    cloud.ports.floating(signal),
    listImages(cloud, site, imageNames, signal),
    cloud.compute.serversNamed(`${site}-`, signal),
    cloud.compute.servers([tagOf("installation", site)], signal),
  ]);
  const mark = markOf(site);
  return {
    groups: groups.map((group) => observedGroup(group, groups, mark)),
    images: images.map((image) => observedImage(image, mark)),
    ports: ports.map((port) => observedPort(port, { groups, floating, mark })),
    servers: servers.filter((server) => !isSoftDeleted(server)).map((server) => observedServer(server, site)),
    builders: builders
      .filter((server) => ownServer(server, site) !== undefined)
      .map(({ id, name, image }) => ({ id, name, imageId: image === "" ? "" : image.id })),
    pendingRestore,
  };
}

async function listImages(
  { images }: SiteCloud,
  site: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Image[]> {
  const lists = [images.tagged(markOf(site), signal), ...names.map((name) => images.named(name, signal))];
  const all = (await Promise.all(lists)).flat();
  return [...new Map(all.map((image) => [image.id, image])).values()];
}

function observedGroup(
  { id, name, description, security_group_rules: rules }: SecurityGroup,
  groups: readonly SecurityGroup[],
  mark: string,
): ObservedGroup {
  const ingress = rules.filter(({ direction }) => direction === "ingress");
  return {
    id,
    name,
    isOurs: description === mark,
    rules: ingress.map((rule) => ({ id: rule.id, ...ruleOf(rule, groups) })),
  };
}

/** A rule of another form than ours gets the port 0, so that it equals none of ours. */
function ruleOf(rule: SecurityGroup["security_group_rules"][number], groups: readonly SecurityGroup[]): Rule {
  const { protocol, port_range_min: first, port_range_max: last } = rule;
  const port = protocol === "tcp" && first !== null && first === last ? first : 0;
  if (rule.remote_group_id === null) return { port, from: { prefix: rule.remote_ip_prefix ?? "everywhere" } };
  const group = groups.find(({ id }) => id === rule.remote_group_id);
  return { port, from: { group: group?.name ?? rule.remote_group_id } };
}

function observedImage({ id, name, status, tags, ...properties }: Image, mark: string): ObservedImage {
  const digest = (properties as Record<string, unknown>)[DIGEST_KEY];
  return {
    ...{ id, name, isOurs: tags.includes(mark), isWhole: status === "active" },
    digest: typeof digest === "string" ? digest : "",
  };
}

interface PortContext {
  readonly groups: readonly SecurityGroup[];
  readonly floating: readonly FloatingAddress[];
  readonly mark: string;
}

function observedPort(port: Port, { groups, floating, mark }: PortContext): ObservedPort {
  const nameOf = (group: string): string => groups.find(({ id }) => id === group)?.name ?? group;
  return {
    ...{ id: port.id, name: port.name, isOurs: port.description === mark },
    addresses: port.fixed_ips.map(({ ip_address: address }) => address),
    floating: floating.filter(({ port_id: id }) => id === port.id).map((one) => one.floating_ip_address),
    groups: port.security_groups.map(nameOf),
  };
}

/** nova's statuses of a server that boots, runs, or was shut down (api-ref, "Server status"). Others are broken. */
const STATES: Readonly<Record<string, ObservedServer["state"]>> = {
  BUILD: "starting",
  REBUILD: "starting",
  ACTIVE: "running",
  REBOOT: "running",
  HARD_REBOOT: "running",
  MIGRATING: "running",
  SHUTOFF: "stopped",
  DELETED: "deleting",
};

function observedServer(server: Server, site: string): ObservedServer {
  const { id, name, metadata, tags, status } = server;
  const isDeleting = /delet/.test(server[TASK_STATE] ?? "");
  const isPoweringOn = status === "SHUTOFF" && server[TASK_STATE] === "powering-on";
  return {
    ...{ id, name, isOurs: metadata[SITE_KEY] === site && tags.includes(markOf(site)) },
    state: isDeleting ? "deleting" : isPoweringOn ? "starting" : (STATES[status] ?? "broken"),
    hasRun: Boolean(server[LAUNCHED_AT]),
    role: metadata[ROLE_KEY] === "queue" ? "queue" : "nats",
    image: metadata[IMAGE_KEY] ?? "",
    flavor: metadata[FLAVOR_KEY] ?? "",
    config: metadata[CONFIG_KEY] ?? "",
  };
}

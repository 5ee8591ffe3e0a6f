/** The resources that a site's answers ask of the cloud. Pure. */
import { isIPv4 } from "node:net";
import { CbError } from "../../../../lib/core/errors.ts";
import { AUTO, type Host, queueHosts, type Site } from "../../answers/site-schema.ts";
import { copiesPorts } from "../../files/copies-files.ts";
import { type CloudAnswers, cloudOf, groupName, imageName, type Role, resourceName } from "../names.ts";
import type { DesiredGroup, DesiredHost, DesiredImage, DesiredSite, Rule } from "./site-state.ts";

/** The port of ssh (RFC 4253). */
const SSH = 22;

export interface SiteFacts {
  /** SHA-256 of each file of an image, by its path. */
  readonly digests: ReadonlyMap<string, string>;
  /** SHA-256 of the configuration of each host, by its name. */
  readonly configs: ReadonlyMap<string, string>;
  /** The subnets of the hosts' network, as prefixes. */
  readonly subnets: readonly string[];
  /** The floating addresses of the project. */
  readonly floating: readonly string[];
}

/** Throws CbError "config" for an address that the cloud cannot give. */
export function desiredSite(site: Site, facts: SiteFacts): DesiredSite {
  const cloud = cloudOf(site);
  const hosts = (role: Role, list: readonly Host[]): DesiredHost[] =>
    list.map((host) => ({
      name: resourceName(site.name, host),
      role,
      address: host.address,
      isFloating: isFloating(host, cloud, facts),
      groups: [groupName(site.name, role)],
      image: imageName(site.name, "host", cloud.hosts.image.version),
      flavor: cloud.hosts.flavor,
      config: facts.configs.get(host.name) ?? "",
    }));
  return {
    groups: groups(site, cloud),
    images: siteImages(site).map(({ name, file }): DesiredImage => ({ name, digest: facts.digests.get(file) ?? "" })),
    hosts: [...hosts("nats", site.nats.hosts), ...hosts("queue", queueHosts(site))],
  };
}

/** The images of a site by their names in the cloud, each with its file here. */
export function siteImages(site: Site): { readonly name: string; readonly file: string }[] {
  const { hosts, builders } = cloudOf(site);
  return [
    { name: imageName(site.name, "host", hosts.image.version), file: hosts.image.file },
    ...(builders === undefined
      ? []
      : [{ name: imageName(site.name, "builder", builders.image.version), file: builders.image.file }]),
  ];
}

/** Nothing comes in to a builder; a host of cb-queue has ssh at most. */
function groups(site: Site, { ssh, clients }: CloudAnswers): DesiredGroup[] {
  const { port, routePort, hosts } = site.nats;
  const name = (role: Role | "builders"): string => groupName(site.name, role);
  const from = (prefixes: readonly string[], to: number): Rule[] =>
    prefixes.map((prefix) => ({ port: to, from: { prefix } }));
  const inner = (role: Role | "builders", to: number): Rule => ({ port: to, from: { group: name(role) } });
  const nats = [
    ...from(clients, port),
    ...[inner("queue", port), inner("builders", port)],
    ...copiesPorts(site).map((one) => inner("builders", one)),
    ...(hosts.length === 1 ? [] : [inner("nats", routePort)]),
  ];
  return [
    { name: name("builders"), rules: [] },
    { name: name("nats"), rules: [...nats, ...from(ssh, SSH)] },
    { name: name("queue"), rules: from(ssh, SSH) },
  ];
}

function isFloating({ name, address }: Host, { network }: CloudAnswers, { subnets, floating }: SiteFacts): boolean {
  if (address === AUTO) {
    throw new CbError("config", `the address of ${name} is not known yet`, {
      hint: "cb-admin site up, without --plan, lets the cloud choose it and writes it into site.yaml",
    });
  }
  if (floating.includes(address)) return true;
  if (subnets.some((prefix) => isWithin(address, prefix))) return false;
  throw new CbError(
    "config",
    `the address ${address} of ${name} is not in the network ${network} and no floating address`,
    {
      hint: `choose one of ${subnets.join(", ") || "another network"}, or allocate a floating one and write that: openstack floating ip create`,
    },
  );
}

/** For IPv6 only whether there is a subnet of IPv6: neutron checks the rest. */
function isWithin(address: string, prefix: string): boolean {
  const [network = "", length = ""] = prefix.split("/");
  if (!isIPv4(address)) return !isIPv4(network);
  if (!isIPv4(network)) return false;
  const size = 2 ** (32 - Number(length));
  return Math.floor(numberOf(address) / size) === Math.floor(numberOf(network) / size);
}

const numberOf = (address: string): number => address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);

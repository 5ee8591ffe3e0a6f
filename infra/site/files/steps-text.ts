/** The steps of an installation, for people: the copies to each host, the ports, and the keys to take away. */

import { tableText } from "../../../lib/cli/text/table.ts";
import { queueHosts, type Site } from "../answers/site-schema.ts";
import { copiesHost, copiesPorts, START_COPIES } from "./copies-files.ts";
import { ETC, NATS_GROUP, QUEUE_GROUP, REGISTRY_GROUP, ROOT_GROUP, type SiteFile } from "./site-file.ts";

const SERVICES: Readonly<Record<string, string>> = { [NATS_GROUP]: "cb-nats", [QUEUE_GROUP]: "cb-queue" };

/** Everything that an operator does after the first `init`. */
export function stepsText(site: Site, files: readonly SiteFile[]): string {
  const hosts = [...site.nats.hosts, ...queueHosts(site)];
  const addresses = new Map(hosts.map(({ name, address }) => [name, address]));
  const nats = [...addresses].filter(([name]) => files.some(isOf(name, NATS_GROUP)));
  const queues = [...addresses].filter(([name]) => files.some(isOf(name, QUEUE_GROUP)));
  const numbered: (readonly [string, string])[] = [
    ["Take the folder offline away: it has the keys of the whole installation. Keep two copies, and no copy here.", ""],
    ...(site.cloud === undefined
      ? ([
          ["Install the server package on each host: it has the users, the services and their folders.", ""],
          ["Open these ports; nothing connects to a builder, a client or a queue host:", tableText(portRows(site))],
          ["Copy the files, in this folder:", copyLines(files, addresses).join("\n")],
          ...builderSteps(site, queues),
          ...copiesSteps(site),
          ["Start NATS on each of its hosts, and then the queue:", startLines(nats, queues)],
        ] as const)
      : ([["Make the hosts in the cloud, in this folder:", "cb-admin site up ."]] as const)),
    ["Give each operator the folder with the operator's name, for /etc/container-builder:", operatorLines(files)],
    [`Copy client${site.client.folder} to ${site.client.folder} on the machines of users. It has no secret.`, ""],
    ["As an operator, add users: cb-admin user add NAME > NAME.creds", ""],
  ];
  return numbered
    .map(([text, lines], at) => `${at + 1}. ${text}\n${lines === "" ? "" : `\n${indented(lines)}\n`}`)
    .join("");
}

/** Copies the files with owner, group and mode of the manifest, under any umask on either side. */
export function copyLines(files: readonly SiteFile[], addresses: ReadonlyMap<string, string>): string[] {
  return [...addresses].flatMap(([name, address]) =>
    [NATS_GROUP, QUEUE_GROUP, REGISTRY_GROUP].flatMap((group) => {
      const names = new Set(files.filter(isOf(name, group)).map(({ target }) => target.split("/")[3] ?? ""));
      if (names.size === 0) return [];
      const pack = `tar -C hosts/${name}${ETC} --owner=root:0 --group=${group}:0 -c ${[...names].join(" ")}`;
      return [`${pack} | ssh root@${address} 'install -d -m 755 ${ETC} && tar -C ${ETC} -xp'`];
    }),
  );
}

const isOf = (holder: string, group: string) => (file: SiteFile) => file.holder === holder && file.group === group;

function startLines(nats: readonly (readonly string[])[], queues: readonly (readonly string[])[]): string {
  const start = (group: string) => (pair: readonly string[]) =>
    `ssh root@${pair[1]} systemctl enable --now ${SERVICES[group]}`;
  return [...nats.map(start(NATS_GROUP)), ...queues.slice(0, 1).map(start(QUEUE_GROUP))].join("\n");
}

function copiesSteps(site: Site): [string, string][] {
  const host = copiesHost(site);
  if (host === undefined) return [];
  const line = `ssh root@${host.address} '${START_COPIES}'`;
  return [["Start the copies of base images, for which this host needs docker-registry:", line]];
}

const PLACE = "/opt/container-builder/current";
const DROP_IN = "etc/systemd/system/cb-queue.service.d";

/** The images of the pools, and the rights that builders on the queue's own host need (infra/units). */
function builderSteps(site: Site, queues: readonly (readonly string[])[]): [string, string][] {
  const providers = site.pools.map(({ provider }) => provider);
  const make = (words: string) => `${PLACE}/bin/cb-admin builder-image ${words}`;
  const local = [
    ...providers.filter(({ kind }) => kind === "sandbox").map(({ rootfs }) => make(`rootfs ${rootfs}`)),
    ...providers
      .filter(({ kind }) => kind === "qemu")
      .map(({ rootfs, disk }) => make(`machine ${rootfs} && ${make(`disk ${disk}`)}`)),
  ];
  const copy = `install -D -m 644 -t /${DROP_IN} ${PLACE}/${DROP_IN}/sandboxes.conf && systemctl daemon-reload`;
  const onQueues = queues.flatMap(([, address]) =>
    [copy, ...new Set(local)].map((line) => `ssh root@${address} '${line}'`),
  );
  const steps: [string, string][] = [];
  if (local.length > 0)
    steps.push([
      "Allow builders on the queue hosts, and make their images there, from a Debian mirror:",
      onQueues.join("\n"),
    ]);
  if (providers.some(({ kind }) => kind === "openstack"))
    steps.push([
      "Make the image of the machines, and upload it (docs/release/builder-image.md):",
      make("disk builder.qcow2"),
    ]);
  return steps;
}

function operatorLines(files: readonly SiteFile[]): string {
  const operators = new Set(files.filter(({ group }) => group === ROOT_GROUP).map(({ holder }) => holder));
  return [...operators]
    .filter((holder) => holder.startsWith("operator "))
    .map((holder) => holder.slice("operator ".length))
    .map(
      (name) =>
        `tar -C operator/${name} --owner=root:0 --group=root:0 -c . | ssh root@MACHINE-OF-${name} 'install -d -m 755 ${ETC} && tar -C ${ETC} -xp'`,
    )
    .join("\n");
}

function portRows(site: Site): string[][] {
  const nats = site.nats.hosts.map(({ name }) => name).join(", ");
  const { port, routePort, hosts } = site.nats;
  const isCloud = site.pools.some(({ provider }) => provider.kind === "openstack");
  const cluster = [["each NATS host", nats, `${routePort}/tcp`, "routes of the cluster (TLS, both ends verified)"]];
  return [
    ["FROM", "TO", "PORT", "PURPOSE"],
    ["users, builders, operators, queue hosts", nats, `${port}/tcp`, "NATS (TLS)"],
    ...(hosts.length === 1 ? [] : cluster),
    ...copiesRows(site),
    ["this machine", "all hosts", "22/tcp", "ssh, for copies"],
    ...(isCloud ? [["queue hosts", "the cloud", "443/tcp or as in clouds.yaml", "the API of OpenStack"]] : []),
  ];
}

function copiesRows(site: Site): string[][] {
  const ports = copiesPorts(site);
  if (ports.length === 0) return [];
  const range = ports.length === 1 ? `${ports[0]}` : `${ports[0]}-${ports.at(-1)}`;
  return [["builders alone", copiesHost(site)?.name ?? "", `${range}/tcp`, "copies of base images"]];
}

const indented = (lines: string): string => lines.trimEnd().replace(/^/gm, "   ");

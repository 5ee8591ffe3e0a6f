/** The text of site.yaml: written from the options of the first `init`, and changed by those of a later one. */
import { type Document, isAlias, isMap, isNode, parseDocument, stringify } from "yaml";
import { CbError } from "../../../lib/core/errors.ts";

/** The options of `cb-admin site init`. Each changes one answer in site.yaml. */
export interface SiteOptions {
  readonly name?: string;
  readonly serverName?: string;
  /** HOST=ADDRESS. */
  readonly nats?: readonly string[];
  readonly queue?: readonly string[];
  readonly operator?: readonly string[];
  readonly port?: string;
  readonly storage?: string;
  /** Paths of image files, for a site in a cloud. */
  readonly hostImage?: string;
  readonly builderImage?: string;
  /** Of both images. Other content needs another version. */
  readonly imageVersion?: string;
}

export const EXAMPLE = "cb-admin site init FOLDER --name mysite --nats nats1=10.0.0.5 --storage 100GiB --operator ada";

const HEAD = "# The answers about this site. After a change: cb-admin site init FOLDER (docs/operations.md)\n";
/** A URL or a path stays on one line. */
const LONG_LINES = { lineWidth: 0 } as const;

/** Throws CbError "usage" unless the options have the answers that have no default. */
export function newSiteYaml({ name, serverName, nats, queue, operator, port, storage }: SiteOptions): string {
  if (name === undefined || nats === undefined) {
    throw new CbError("usage", `a new site needs ${name === undefined ? "--name" : "--nats HOST=ADDRESS"}`, {
      hint: `for example: ${EXAMPLE}`,
    });
  }
  const answers = {
    name,
    // .internal is reserved for private use (ICANN, 2024), so the name means no host of another owner.
    serverName: serverName ?? `nats.${name}.internal`,
    nats: {
      hosts: nats.map(hostOf),
      ...(port === undefined ? {} : { port: Number(port) }),
      storage: { size: storage ?? "100GiB" },
    },
    ...(queue === undefined ? {} : { queue: { hosts: queue.map(hostOf) } }),
    operators: operator ?? ["operator"],
  };
  const text = `${HEAD}${stringify(answers)}${POOLS}`;
  // In the form that a later change keeps.
  return parseDocument(text).toString(LONG_LINES);
}

/** The text with the answers of the options in it. Comments and all other answers stay. */
export function changedSiteYaml(text: string, options: SiteOptions): string {
  const document = parseDocument(text);
  // parseYaml() reports the mistakes of such a text with their lines.
  if (document.errors.length > 0 || !isMap(document.contents)) return text;
  const { name, serverName, nats, queue, operator, port, storage, hostImage, builderImage, imageVersion } = options;
  const changes = [
    set(document, ["name"], name),
    set(document, ["serverName"], serverName),
    set(document, ["nats", "hosts"], nats?.map(hostOf)),
    set(document, ["nats", "port"], port === undefined ? undefined : Number(port)),
    set(document, ["nats", "storage", "size"], storage),
    set(document, ["queue", "hosts"], queue?.map(hostOf)),
    set(document, ["operators"], operator),
    set(document, ["cloud", "hosts", "image", "file"], hostImage),
    set(document, ["cloud", "hosts", "image", "version"], imageVersion),
    // Builders that the section does not describe are those of `pools`.
    ...(document.hasIn(["cloud", "builders"])
      ? [
          set(document, ["cloud", "builders", "image", "file"], builderImage),
          set(document, ["cloud", "builders", "image", "version"], imageVersion),
        ]
      : []),
  ];
  return changes.includes(true) ? document.toString(LONG_LINES) : text;
}

/** The text with these addresses of hosts, by the hosts' names. Everything else stays. */
export function withAddresses(text: string, addresses: ReadonlyMap<string, string>): string {
  const document = parseDocument(text);
  for (const service of ["nats", "queue"]) {
    const hosts = valueIn(document, [service, "hosts"]);
    if (!Array.isArray(hosts)) continue;
    for (const [at, { name }] of (hosts as { name: string }[]).entries()) {
      const address = addresses.get(name);
      if (address !== undefined) document.setIn([service, "hosts", at, "address"], address);
    }
  }
  return document.toString(LONG_LINES);
}

/** False: the answer is so already, and stays as it is written, with its comments. */
function set(document: Document, keys: readonly string[], value: unknown): boolean {
  if (value === undefined || JSON.stringify(valueIn(document, keys)) === JSON.stringify(value)) return false;
  refuseAlias(document, keys);
  document.setIn(keys, document.createNode(value));
  return true;
}

/** A change through an alias would change the place of its anchor too. */
function refuseAlias(document: Document, keys: readonly string[]): void {
  const parents = keys.slice(0, -1).map((_, at) => keys.slice(0, at + 1));
  const alias = parents.find((path) => isAlias(document.getIn(path, true)));
  if (alias === undefined) return;
  throw new CbError(
    "config",
    `${alias.join(".")} in site.yaml is an alias, so ${keys.join(".")} cannot be changed alone`,
    {
      hint: "write its value out in place of the alias",
    },
  );
}

function valueIn(document: Document, keys: readonly string[]): unknown {
  const node = document.getIn(keys);
  return isNode(node) ? node.toJS(document) : node;
}

function hostOf(text: string): { name: string; address: string } {
  const [name = "", address = "", ...rest] = text.split("=");
  if (name !== "" && address !== "" && rest.length === 0) return { name, address };
  throw new CbError("usage", `not HOST=ADDRESS: ${text}`, { hint: "for example: --nats nats1=10.0.0.5" });
}

const POOLS = `
# Sandboxes on the queue's own host. Other kinds, and all settings: docs/release/builder-image.md, docs/openstack.md.
pools:
  - name: sandbox
    reserve: 2
    max: 4
    bootTimeoutSeconds: 30
    provider:
      kind: sandbox
      stateDir: /var/lib/cb-queue/sandboxes
      rootfs: /var/lib/cb-queue/rootfs            # made by cb-admin builder-image
      agentDir: /opt/container-builder/current/agent
#  - name: cloud
#    arch: x86_64
#    reserve: 5
#    max: 20
#    provider:
#      kind: openstack
#      cloud: mycloud            # an entry of /etc/openstack/clouds.yaml on the queue's host
#      flavor: builder.4c8g
#      image: container-builder
#      networks: [builders]
#cloud:                          # cb-admin site up makes the hosts there: docs/operations.md
#  cloud: mycloud
#  network: site
#  clients: [10.0.0.0/8]
#  hosts: { flavor: m1.small, image: { file: /images/host.qcow2, version: "1" } }
#  builders:
#    image: { file: /images/builder.qcow2, version: "1" }
#    flavor: builder.4c8g
#    reserve: 5
#    max: 20
#    login: /secrets/queue-clouds.yaml
#copies:                         # of base images, on the first NATS host: docs/administration.md
#  registries: [docker.io, quay.io]
#registries:
#  - host: registry.example.org
#certificates:                   # those of the site, in place of an own CA
#  ca: /etc/ssl/site/ca.crt
#  cert: /etc/ssl/site/nats.crt
#  key: /etc/ssl/site/nats.key
`;

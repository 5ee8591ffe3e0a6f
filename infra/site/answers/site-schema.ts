/** The schema of site.yaml, the one source of an operator's answers about a site. The reason for each default is in its comment. */
import { isIP } from "node:net";
import * as v from "valibot";
import { compression } from "../../../lib/protocol/build-options.ts";
import { isDnsName } from "../../nats/make-installation.ts";
import { cloudSchema } from "./cloud-schema.ts";
import { copiesSchema } from "./copies-schema.ts";

const path = v.pipe(v.string(), v.startsWith("/", "must be an absolute path"));
const port = v.pipe(v.number(), v.integer("must be a whole number"), v.minValue(1), v.maxValue(65_535));
/** The name of a folder, of a host, and of a person. */
const label = v.pipe(v.string(), v.regex(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/, "must be 1 to 32 of a-z, 0-9 and -"));
const address = v.pipe(
  v.string(),
  v.check((text) => isIP(text) !== 0 || isDnsName(text), "must be an IP address or a DNS name in lower case"),
);

/** In place of an address in a cloud: `cb-admin site up` writes the one that the cloud has chosen. */
export const AUTO = "auto";

const areUnique = (names: readonly string[]): boolean => new Set(names).size === names.length;
const haveUniqueNames = (hosts: readonly { readonly name: string }[]): boolean =>
  areUnique(hosts.map(({ name }) => name));

const host = v.strictObject({
  name: label,
  /** The address for all other hosts, for ssh and, in the routes of a cluster, in the host's certificate. */
  address,
});

const natsHost = v.strictObject({
  ...host.entries,
  /** The address to listen on. All addresses by default, because the address may be that of a router in front of the host. */
  listen: v.optional(v.pipe(v.string(), v.ip("must be an IP address")), "0.0.0.0"),
});

/** A size with its unit, in the text as `lsblk` and `df -h` print it. The value is in bytes. */
const size = v.pipe(
  v.string("must be a size, such as 100GiB"),
  v.regex(/^[1-9]\d{0,5}(GiB|TiB)$/, "must be a size, such as 100GiB or 2TiB"),
  v.transform((text) => Number.parseInt(text, 10) * 1024 ** (text.endsWith("TiB") ? 4 : 3)),
);

/**
 * The queue reserves 773 MiB for its records with one pool, and 20 MiB for each further one, and without them it does not start. The
 * smallest image and log of a build need space as well.
 */
const STORAGE_MIN_BYTES = 2 * 1024 ** 3;

export const siteSchema = v.strictObject({
  /** The installation: on every machine that its pools create, in its keys, and the name of the cluster. */
  name: label,
  /** The one DNS name in the certificates of all NATS hosts. It need not resolve: the settings of every program name it. */
  serverName: v.pipe(v.string(), v.check(isDnsName, "must be a DNS name in lower case, not an address")),
  nats: v.strictObject({
    /** Three keep every message on three disks, and work while one of them is down. Two stop when either is down. */
    hosts: v.pipe(
      v.array(natsHost),
      v.check((list) => list.length === 1 || list.length === 3, "must be one host or three"),
      v.check((list) => haveUniqueNames(list), "two hosts have the same name"),
      v.check(
        (list) => areUnique(list.map(({ address }) => address).filter((one) => one !== AUTO)),
        "two hosts have the same address",
      ),
    ),
    /** The registered port of NATS. */
    port: v.optional(port, 4222),
    /** For the routes between three hosts: the port in the documentation of NATS. */
    routePort: v.optional(port, 6222),
    storage: v.strictObject({
      /** Size of the disk or volume of `folder` on each NATS host. A part of it stays free. */
      size: v.pipe(
        size,
        v.minValue(STORAGE_MIN_BYTES, "must be at least 2GiB: the records of the queue take most of a smaller disk"),
      ),
      /** The folder that cb-nats.service owns. Another one needs an entry ReadWritePaths= in the service. */
      folder: v.optional(path, "/var/lib/cb-nats"),
    }),
  }),
  queue: v.optional(
    v.strictObject({
      /** One cb-queue runs at a time; a second host stands ready. */
      hosts: v.pipe(
        v.array(host),
        v.minLength(1),
        v.maxLength(4),
        v.check((list) => haveUniqueNames(list), "two hosts have the same name"),
      ),
    }),
  ),
  /** Each gets a credential of its own, so that one can be refused alone. */
  operators: v.pipe(
    v.array(label),
    v.minLength(1, "needs at least one operator"),
    v.maxLength(32),
    v.check((list) => areUnique(list), "two operators have the same name"),
  ),
  /** Absent: the site's own CA signs the servers' certificate. */
  certificates: v.optional(
    v.strictObject({
      /** PEM files on this machine, with the CA, the certificate with its intermediate certificates, and its key. */
      ca: path,
      cert: path,
      key: path,
    }),
  ),
  /** The folder of the offline keys on an operator's machine, while the medium with them is mounted. */
  offline: v.optional(path, "/media/offline"),
  client: v.optional(
    v.strictObject({
      /** The folder of config.yaml and ca.crt on the machines of users. Clients read the default without any variable. */
      folder: v.optional(path, "/etc/xdg/container-builder"),
    }),
    {},
  ),
  /** Absent: the hosts are no machines of a cloud, or others make them. */
  cloud: v.optional(cloudSchema),
  /** Absent: builders fetch base images from their registries. */
  copies: v.optional(copiesSchema),
  /** As in queue.yaml; `nats` and `mirrors` of a pool may be left out. The queue's own schema checks these five. */
  pools: v.optional(
    v.array(
      v.looseObject({
        provider: v.looseObject({ kind: v.string() }),
        nats: v.optional(v.unknown()),
        mirrors: v.optional(v.unknown()),
      }),
    ),
    [],
  ),
  registries: v.optional(v.array(v.unknown()), []),
  limits: v.optional(v.record(v.string(), v.unknown()), {}),
  quotas: v.optional(v.record(v.string(), v.unknown()), {}),
  bootstraps: v.optional(v.record(v.string(), v.unknown()), {}),
  /** For builds that choose none. Default: that of cb-queue. */
  compression: v.optional(compression),
});

export type Site = v.InferOutput<typeof siteSchema>;
export type NatsHost = Site["nats"]["hosts"][number];
export interface Host {
  readonly name: string;
  readonly address: string;
}

/** The hosts of cb-queue: by default the first NATS host. */
export function queueHosts({ queue, nats }: Site): readonly Host[] {
  return queue?.hosts ?? nats.hosts.slice(0, 1);
}

/** The hosts that have no address yet. */
export function autoHosts(site: Site): readonly Host[] {
  return [...site.nats.hosts, ...queueHosts(site)].filter(({ address }) => address === AUTO);
}

/** The configuration of cb-queue: one YAML file. Every default has its reason beside it. */
import { machine } from "node:os";
import * as v from "valibot";
import { architecture } from "../protocol/fields.ts";

const MIB = 1024 * 1024;
const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;

const path = v.pipe(v.string(), v.startsWith("/", "must be an absolute path"));
const name = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "must be 1 to 32 of a-z, 0-9 and -"));
const whole = (min: number, max: number) =>
  v.pipe(v.number(), v.integer("must be a whole number"), v.minValue(min), v.maxValue(max));
const natsUrl = v.pipe(
  v.string(),
  v.regex(/^(tls|nats):\/\/[^\s,]+(,\s*(tls|nats):\/\/[^\s,]+)*$/, "must be tls://HOST:PORT"),
);

/** Where NATS is, and the one name in its certificates. */
const address = {
  url: natsUrl,
  servername: v.optional(v.string()),
  /** File with the CA that signed the servers' certificates. */
  ca: v.optional(path),
};

/** What sandboxes on this machine and machines in them have in common. */
const onThisMachine = {
  /** Where the machines' folders are. */
  stateDir: path,
  /**
   * What a sandbox may reach of the host, as ADDRESS:PORT from the inside: 10.0.2.2 is the host's loopback. NATS must be
   * among them; everything else of the host is closed.
   */
  allowHostPorts: v.array(
    v.pipe(v.string(), v.regex(/^\d+(\.\d+){3}:\d{1,5}$/, "must be ADDRESS:PORT, as 10.0.2.2:4222")),
  ),
  /** Missing parts of the boundary that the operator accepts. None, so that a sandbox is refused without them. */
  allowWeak: v.optional(v.array(v.picklist(["egress-filter"])), []),
};

/** Throw-away sandboxes on this machine. */
const sandboxProvider = v.strictObject({
  kind: v.literal("sandbox"),
  ...onThisMachine,
  /** The builder root file system that infra/image makes. */
  rootfs: path,
  /** Folder with the agent's bundle, mounted read-only into each sandbox. */
  agentDir: path,
});

/** Virtual machines on this machine. */
const qemuProvider = v.strictObject({
  kind: v.literal("qemu"),
  ...onThisMachine,
  /** The root file system with QEMU that infra/image/machine lists. */
  rootfs: path,
  /** The builder's disk image, raw, as infra/image/disk makes it: every machine starts from it and writes elsewhere. */
  disk: path,
  /** Two: an apptainer build packs its image with as many threads as there are cores. */
  cores: v.optional(whole(1, 256), 2),
  /** apptainer and a compiler need no more; nothing is taken before it is used. */
  memoryMiB: v.optional(whole(512, 1024 * 1024), 2048),
  /** Room for a base image, its unpacked tree and the finished image, of 5 GB each. It grows as it is written. */
  diskGiB: v.optional(whole(2, 2047), 20),
  /** Where a guest really runs by KVM, that; emulation elsewhere, which is ten times slower. */
  acceleration: v.optional(v.picklist(["auto", "kvm", "tcg"]), "auto"),
});

/** The name or the id of something on the cloud. */
const onCloud = v.pipe(v.string("must be a name or an id, in quotes"), v.minLength(1), v.maxLength(255));

/**
 * Servers of an OpenStack cloud. Login and addresses stand where OpenStack's own clients have them, in clouds.yaml or in the
 * OS_* variables, so that there is no secret in this file.
 */
const openstackProvider = v.strictObject({
  kind: v.literal("openstack"),
  /** Entry of clouds.yaml. Default: OS_CLOUD, then the OS_* variables, then the only entry there is. */
  cloud: v.optional(onCloud),
  /** In place of the entry's region_name. */
  region: v.optional(onCloud),
  flavor: onCloud,
  /** By name it is the newest of that name, so that an upload is enough to change it. */
  image: onCloud,
  /** A builder dials out and nobody dials in, so one with a way to NATS is enough. */
  networks: v.pipe(v.array(onCloud), v.minLength(1, "needs at least one network"), v.maxLength(8)),
  /** None: nothing on a builder listens. */
  keyName: v.optional(onCloud),
  /** Default: the project's own "default". */
  securityGroups: v.optional(v.pipe(v.array(onCloud), v.minLength(1), v.maxLength(16))),
  availabilityZone: v.optional(onCloud),
  /** For builders that must not share a host, or must. */
  serverGroup: v.optional(onCloud),
});

const pool = v.strictObject({
  name,
  /** What its builders build for, as `uname -m` says it. As this machine is: sandboxes are part of it. */
  arch: v.optional(architecture, machine()),
  /** Ready builders waiting. Two, so that a second caller does not wait for a boot. */
  reserve: v.optional(whole(0, 1000), 2),
  /** Builders that may exist at all, leased and dying ones among them. */
  max: whole(1, 1000),
  /** A machine that has not asked by then is destroyed: a slow cloud boots in two minutes, twice that is a fault. */
  bootTimeoutSeconds: v.optional(whole(5, HOUR_S), 300),
  /** Ready builders are renewed at this age, so that none serves with stale packages or an old key. */
  maxReadySeconds: v.optional(whole(60, 7 * DAY_S), DAY_S),
  /** Where the builders find NATS. */
  nats: v.strictObject(address),
  provider: v.variant(
    "kind",
    [sandboxProvider, qemuProvider, openstackProvider],
    "kind must be sandbox, qemu or openstack",
  ),
});

/** A registry whose images cb-images shows. */
const registry = v.pipe(
  v.strictObject({
    /** As it stands in a recipe's `From:`. */
    host: v.pipe(
      v.string(),
      v.regex(
        /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/,
        "must be HOST or HOST:PORT, without https:// (plainHttp: true for a registry without TLS)",
      ),
      v.check((host) => URL.canParse(`https://${host}`), "is no address"),
    ),
    /** Without TLS everybody on the way reads the password and may change the list, so only where somebody says so. */
    plainHttp: v.optional(v.boolean(), false),
    /** None: most registries show strangers what strangers may pull. */
    username: v.optional(v.pipe(v.string(), v.regex(/^[^:\p{Cc}]{1,255}$/u, "must not be empty or have a colon"))),
    /** File with the password alone. It is read when the queue starts, and leaves it for this registry only. */
    passwordFile: v.optional(path),
  }),
  v.check(
    ({ username, passwordFile }) => (username === undefined) === (passwordFile === undefined),
    "username and passwordFile go together",
  ),
);

/** Settings are in the units that people write; the program has all times in ms and all sizes in bytes. */
const limits = v.pipe(
  v.strictObject({
    /** Six hours: the longest builds known at sites compile a toolchain in three. */
    buildSeconds: v.optional(whole(10, 7 * DAY_S), 6 * HOUR_S),
    /** A build that waits longer than a day waits for nothing. */
    waitSeconds: v.optional(whole(10, 7 * DAY_S), DAY_S),
    /**
     * Log bytes of one build; the disk is reserved while the build lives. One GiB: twice the largest output that is tried
     * (500 MB, docs/performance.md), and what prints more is a recipe in a loop.
     */
    logMiB: v.optional(whole(1, 16_384), 1024),
    /**
     * Files of its caller that one build may bring. Four GiB, twice what is tried (docs/performance.md): whoever has more
     * has a data set, which belongs on a file server.
     */
    contextMiB: v.optional(whole(1, 1024 * 1024), 4096),
    /** A caller whose files stop coming for this long has gone; a network that was lost is back by then. */
    contextSeconds: v.optional(whole(10, DAY_S), 300),
    /**
     * The finished image. 32 GiB is a judgement, eight times the largest that is tried (docs/performance.md): only the size
     * that an image really has is reserved, so this need only stop what would fill NATS's disk for all.
     */
    imageMiB: v.optional(whole(1, 1024 * 1024), 32 * 1024),
    /** How long an image is kept that its caller has not fetched: a night and a morning. */
    imageSeconds: v.optional(whole(10, 30 * DAY_S), DAY_S),
    /** How long logs and records are kept: a week, so that Monday can ask about Friday. */
    recordSeconds: v.optional(whole(10, 365 * DAY_S), 7 * DAY_S),
    /** Builders that one user may have at a time, so that nobody takes the pool. Four is a judgement: `max` is the site's. */
    leasedPerUser: v.optional(whole(1, 1000), 4),
    /**
     * Requests of one user that may wait. A hundred is a judgement, more than a person or a CI matrix asks for at once. Room
     * for their logs and images is not reserved while they wait; that for their files is, as much as each has announced.
     */
    waitingPerUser: v.optional(whole(1, 10_000), 100),
  }),
  v.transform((set) => ({
    buildMs: set.buildSeconds * 1000,
    waitMs: set.waitSeconds * 1000,
    logBytes: set.logMiB * MIB,
    contextBytes: set.contextMiB * MIB,
    contextMs: set.contextSeconds * 1000,
    imageBytes: set.imageMiB * MIB,
    imageKeptMs: set.imageSeconds * 1000,
    recordKeptMs: set.recordSeconds * 1000,
    leasedPerUser: set.leasedPerUser,
    waitingPerUser: set.waitingPerUser,
  })),
);

export const queueConfig = v.strictObject({
  /** The name of this installation: it marks the machines that are ours. */
  installation: name,
  nats: v.strictObject({
    ...address,
    /** The queue's credential in the account CORE. */
    creds: path,
    /** Copies of each stream: 3 on a cluster of three. One, because a single server can keep no more. */
    replicas: v.optional(whole(1, 5), 1),
  }),
  issuer: v.strictObject({
    /** Public key of the account GUEST. */
    account: v.pipe(v.string(), v.regex(/^A[A-Z2-7]{55}$/, "must be an account's public key")),
    /** File with the seed of GUEST's signing key. */
    signingKey: path,
  }),
  pools: v.pipe(
    v.array(pool),
    v.minLength(1, "needs at least one pool"),
    v.check((list) => new Set(list.map((one) => one.name)).size === list.length, "two pools have the same name"),
  ),
  /** None: a site that has no registry of its own has nothing to show. All are asked at once, so there is a bound. */
  registries: v.optional(
    v.pipe(
      v.array(registry),
      v.maxLength(16, "more than 16 registries"),
      v.check(
        (list) => new Set(list.map(({ host }) => host)).size === list.length,
        "two registries have the same host",
      ),
    ),
    [],
  ),
  limits: v.optional(limits, {}),
  /** "info" has a line for each build that is reserved, leased or ended, by which an operator answers what became of it. */
  logLevel: v.optional(v.picklist(["debug", "info", "warn", "error"]), "info"),
});
export type QueueConfig = v.InferOutput<typeof queueConfig>;
export type PoolConfig = QueueConfig["pools"][number];
export type RegistryConfig = QueueConfig["registries"][number];
export type BuildLimits = QueueConfig["limits"];

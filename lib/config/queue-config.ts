/** The schema of cb-queue's configuration, one YAML file. The reason for each default is in its comment. */
import { machine } from "node:os";
import * as v from "valibot";
import { compression } from "../protocol/build-options.ts";
import { architecture, gpu } from "../protocol/fields.ts";
import { bootstrapsConfig } from "./bootstraps-config.ts";
import { httpConfig } from "./http-config.ts";
import { isReachable, layersRegistry, mirrors, registryHost } from "./mirror-config.ts";
import { path, provider, whole } from "./provider-config.ts";
import { quotasConfig } from "./quota-config.ts";

const MIB = 1024 * 1024;
const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;

const name = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "must be 1 to 32 of a-z, 0-9 and -"));

/** The part after tls:// or nats:// is parsed as that of an http address, because URL accepts any text in other schemes. */
function isServer(text: string): boolean {
  const http = text.trim().replace(/^(tls|nats):/, "http:");
  if (!URL.canParse(http)) return false;
  const { hostname, pathname, search, hash } = new URL(http);
  return hostname !== "" && pathname === "/" && search === "" && hash === "" && !/:0$/.test(http);
}

const natsUrl = v.pipe(
  v.string(),
  v.regex(/^(tls|nats):\/\/[^\s,]+(,\s*(tls|nats):\/\/[^\s,]+)*$/, "must be tls://HOST:PORT"),
  v.check(
    (urls) => urls.split(",").every(isServer),
    "must be tls://HOST:PORT, with a port from 1 to 65535 and no path",
  ),
);

/** The NATS address, and the server name in its certificates. */
const address = {
  url: natsUrl,
  servername: v.optional(v.string()),
  /** File with the CA that signed the servers' certificates. */
  ca: v.optional(path),
};

const RESERVE_DEFAULT = 2;

const pool = v.pipe(
  v.strictObject({
    name,
    /** Architecture of its builders, as `uname -m` prints it. Default: this machine's, because sandboxes run on it. */
    arch: v.optional(architecture, machine()),
    /** The graphics processors that its builders have, with the drivers in their image: for builds with --nv or --rocm. Default: none. */
    gpu: v.optional(gpu),
    /** Number of ready builders to keep, as far as `max` allows. Two by default, so that a second build at the same time waits for no boot. */
    reserve: v.optional(whole(0, 1000)),
    /** Limit on existing builders, including those leased and those being destroyed. */
    max: whole(1, 1000),
    /** A machine with no request by then is destroyed. 300 s: a slow cloud boots in two minutes; twice that is a fault. */
    bootTimeoutSeconds: v.optional(whole(5, HOUR_S), 300),
    /** Ready builders are replaced at this age. A day, so that none has stale packages or an old key. */
    maxReadySeconds: v.optional(whole(60, 7 * DAY_S), DAY_S),
    /** The NATS address as the builders reach it. */
    nats: v.strictObject(address),
    /** Copies of registries that its builders ask first. None by default. */
    mirrors: v.optional(mirrors, []),
    /** Keeps the layers of each user's Dockerfiles for the user's later builds. None by default. */
    layers: v.optional(layersRegistry),
    provider,
  }),
  v.forward(
    v.partialCheck(
      [["reserve"], ["max"]],
      ({ reserve, max }) => reserve === undefined || reserve <= max,
      "must not be above max: lower it, or raise max",
    ),
    ["reserve"],
  ),
  v.forward(
    v.check(
      ({ mirrors, provider }) =>
        provider.kind === "openstack" || mirrors.every(({ host }) => isReachable(host, provider.allowHostPorts)),
      "a mirror at 10.0.2.2 must also be in the provider's allowHostPorts",
    ),
    ["mirrors"],
  ),
  v.forward(
    v.check(
      ({ layers, provider: own }) => own.kind === "openstack" || isReachable(layers?.host ?? "", own.allowHostPorts),
      "a registry at 10.0.2.2 must also be in the provider's allowHostPorts",
    ),
    ["layers"],
  ),
  v.transform((set) => ({ ...set, reserve: set.reserve ?? RESERVE_DEFAULT })),
);

/** A registry that cb-images lists. */
const registry = v.pipe(
  v.strictObject({
    /** As in a recipe's `From:`. */
    host: registryHost,
    /** True: no TLS. False by default, because without TLS the network can read the password and change the list. */
    plainHttp: v.optional(v.boolean(), false),
    /** None by default: most registries list their public images without a login. */
    username: v.optional(v.pipe(v.string(), v.regex(/^[^:\p{Cc}]{1,255}$/u, "must not be empty or contain a colon"))),
    /** File with nothing but the password. The queue reads it at its start and sends it to this registry only. */
    passwordFile: v.optional(path),
    /**
     * True: builds that pull from this registry get the login. False by default, because every user can read it in a build of
     * their own: it must be allowed to read only what all users may read.
     */
    loginForBuilds: v.optional(v.boolean(), false),
  }),
  v.check(
    ({ username, passwordFile }) => (username === undefined) === (passwordFile === undefined),
    "username and passwordFile must be set together",
  ),
  v.check(({ username, loginForBuilds }) => username !== undefined || !loginForBuilds, "loginForBuilds needs a login"),
);

/** The file has seconds and MiB; the parsed limits have ms and bytes. */
const limits = v.pipe(
  v.strictObject({
    /** Longest build. Six hours: the longest builds known at sites compile a toolchain in three. */
    buildSeconds: v.optional(whole(10, 7 * DAY_S), 6 * HOUR_S),
    /** Longest wait for a builder. A day: a build that has waited longer will not get one. */
    waitSeconds: v.optional(whole(10, 7 * DAY_S), DAY_S),
    /**
     * Largest log of one build. NATS reserves the disk space from the lease to the end of the build. 1 GiB: twice the largest
     * log that the tests produce (500 MB, docs/performance.md); a recipe that prints more is in a loop.
     */
    logMiB: v.optional(whole(1, 16_384), 1024),
    /**
     * Largest context of one build. 4 GiB: twice the largest that the tests send (docs/performance.md). More than that is a data
     * set, which belongs on a file server.
     */
    contextMiB: v.optional(whole(1, 1024 * 1024), 4096),
    /** The build ends if no part of its context arrives for so long. 300 s: a lost network is usually back by then. */
    contextSeconds: v.optional(whole(10, DAY_S), 300),
    /**
     * Largest image. 32 GiB is an estimate, eight times the largest that the tests transfer (docs/performance.md). NATS reserves
     * only the announced size of an image, so this limit only keeps one image from filling the disk of NATS.
     */
    imageMiB: v.optional(whole(1, 1024 * 1024), 32 * 1024),
    /** How long an image is kept that was not fetched. A day: a night and a morning. */
    imageSeconds: v.optional(whole(10, 30 * DAY_S), DAY_S),
    /** How long logs and records are kept. A week, so that a build of Friday can be examined on Monday. */
    recordSeconds: v.optional(whole(10, 365 * DAY_S), 7 * DAY_S),
    /** Builders leased to one user at a time, so that one user cannot take the pool. Four is an estimate; see `max`. */
    leasedPerUser: v.optional(whole(1, 1000), 4),
    /**
     * Waiting builds of one user. A hundred is an estimate: more than a person or a CI matrix starts at once. While a build
     * waits, NATS reserves space for its context, as much as the client announced, but not for its log and image.
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
  /** The name of this installation. Its machines are tagged with it. */
  installation: name,
  nats: v.strictObject({
    ...address,
    /** The queue's credential in the account CORE. */
    creds: path,
    /** Replicas of each stream: 3 on a cluster of three. One by default, which is all that a single server can keep. */
    replicas: v.optional(whole(1, 5), 1),
  }),
  issuer: v.strictObject({
    /** Public key of the account GUEST. */
    account: v.pipe(v.string(), v.regex(/^A[A-Z2-7]{55}$/, "must be the public key of an account")),
    /** File with the seed of GUEST's signing key. */
    signingKey: path,
    /** File with the X25519 key that users seal their secrets to. Without it the queue takes no secrets. */
    sealingKey: v.optional(path),
  }),
  pools: v.pipe(
    v.array(pool),
    v.minLength(1, "needs at least one pool"),
    v.check((pools) => new Set(pools.map(({ name }) => name)).size === pools.length, "two pools have the same name"),
  ),
  /** None by default. At most 16, because cb-images makes the queue query all of them at the same time. */
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
  quotas: v.optional(quotasConfig, {}),
  bootstraps: v.optional(bootstrapsConfig, {}),
  /** For builds that choose none with --compression. */
  compression: v.optional(compression, "default"),
  /** Metrics, health checks and the status page. None by default: the queue then opens no port. */
  http: v.optional(httpConfig),
  /** "info" logs a line for each build that is reserved, leased or ended, so that an operator can trace a build. */
  logLevel: v.optional(v.picklist(["debug", "info", "warn", "error"]), "info"),
});
export type QueueConfig = v.InferOutput<typeof queueConfig>;
export type PoolConfig = QueueConfig["pools"][number];
export type RegistryConfig = QueueConfig["registries"][number];
export type BuildLimits = QueueConfig["limits"];

/** registry.yaml, the configuration of cb-registry. */
import * as v from "valibot";
import { registryHost } from "./mirror-config.ts";

const path = v.pipe(v.string(), v.startsWith("/", "must be an absolute path"));

/** ADDRESS:PORT. */
const listen = v.pipe(
  v.string(),
  v.regex(/^(?:\d+(?:\.\d+){3}|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/, "must be ADDRESS:PORT, e.g. 127.0.0.1:5000"),
  v.check((text) => URL.canParse(`http://${text}`), "is not an address"),
);
const GIB = 1024 ** 3;
const gib = v.pipe(v.number(), v.minValue(0.001), v.maxValue(65_536));

const copied = v.strictObject({
  /** As in a recipe's `From:`; docker.io for Docker Hub. */
  host: registryHost,
  /** True: it has no TLS. */
  plainHttp: v.optional(v.boolean(), false),
  /** For its copy. Each registry needs an address of its own: docker-registry copies one registry. */
  listen,
});

const areUnique = (texts: readonly string[]): boolean => new Set(texts).size === texts.length;

/** Bound on all copies together. 20 GiB: a hundred base images of 200 MB, the size of a large distribution's. */
export const maxGiB = v.optional(gib, 20);

/** The cache of the layers of users' Dockerfiles. */
const layers = v.pipe(
  v.strictObject({
    listen,
    /** Public key of the queue's `issuer.signingKey`, which signs the tokens of builds. cb-queue --check prints it. */
    key: v.pipe(v.string(), v.regex(/^A[A-Z2-7]{55}$/, "must be the public key of the queue's signing key (A…)")),
    /** Of all users together. 50 GiB: ten users at their quota. */
    maxGiB: v.optional(gib, 50),
    /** Of one user. 5 GiB, an estimate: the layers of five images of 1 GB. */
    userGiB: v.optional(gib, 5),
    /** Files in PEM. Default: no TLS. */
    tls: v.optional(v.strictObject({ certificate: path, key: path })),
  }),
  v.check(({ maxGiB, userGiB }) => userGiB <= maxGiB, "userGiB is above maxGiB: lower it, or raise maxGiB"),
  v.transform(({ maxGiB, userGiB, ...rest }) => ({ ...rest, maxBytes: maxGiB * GIB, userMaxBytes: userGiB * GIB })),
);

const sections = v.strictObject({
  /** The copies, in a folder for each registry, and the layers in the folder `layers`. */
  folder: path,
  maxGiB,
  /** docker-registry, of the Debian package of that name. Default: the one in PATH. */
  program: v.optional(path),
  registries: v.optional(
    v.pipe(
      v.array(copied),
      v.maxLength(16, "more than 16 registries"),
      v.check((list) => areUnique(list.map(({ host }) => host)), "two registries have the same host"),
    ),
    [],
  ),
  layers: v.optional(layers),
  logLevel: v.optional(v.picklist(["debug", "info", "warn", "error"]), "info"),
});

export const registryConfig = v.pipe(
  sections,
  v.check(
    ({ registries, layers: own }) => registries.length > 0 || own !== undefined,
    "needs at least one registry, or layers",
  ),
  v.check(
    ({ registries, layers: own }) =>
      areUnique([...registries, ...(own === undefined ? [] : [own])].map((one) => one.listen)),
    "two registries listen on the same address",
  ),
);
export type RegistryConfig = v.InferOutput<typeof registryConfig>;

/** registry.yaml, the configuration of cb-registry. */
import * as v from "valibot";
import { registryHost } from "./mirror-config.ts";

const path = v.pipe(v.string(), v.startsWith("/", "must be an absolute path"));

const copied = v.strictObject({
  /** As in a recipe's `From:`; docker.io for Docker Hub. */
  host: registryHost,
  /** True: it has no TLS. */
  plainHttp: v.optional(v.boolean(), false),
  /** ADDRESS:PORT for its copy. Each registry needs one of its own: docker-registry copies one registry. */
  listen: v.pipe(
    v.string(),
    v.regex(/^(?:\d+(?:\.\d+){3}|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/, "must be ADDRESS:PORT, e.g. 127.0.0.1:5000"),
    v.check((text) => URL.canParse(`http://${text}`), "is not an address"),
  ),
});

const areUnique = (texts: readonly string[]): boolean => new Set(texts).size === texts.length;

/** Bound on all copies together. 20 GiB: a hundred base images of 200 MB, the size of a large distribution's. */
export const maxGiB = v.optional(v.pipe(v.number(), v.minValue(0.001), v.maxValue(65_536)), 20);

export const registryConfig = v.strictObject({
  /** The copies, in a folder for each registry. */
  folder: path,
  maxGiB,
  /** docker-registry, of the Debian package of that name. Default: the one in PATH. */
  program: v.optional(path),
  registries: v.pipe(
    v.array(copied),
    v.minLength(1, "needs at least one registry"),
    v.maxLength(16, "more than 16 registries"),
    v.check((list) => areUnique(list.map(({ host }) => host)), "two registries have the same host"),
    v.check((list) => areUnique(list.map(({ listen }) => listen)), "two registries listen on the same address"),
  ),
  logLevel: v.optional(v.picklist(["debug", "info", "warn", "error"]), "info"),
});
export type RegistryConfig = v.InferOutput<typeof registryConfig>;

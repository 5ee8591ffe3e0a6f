/** The schema of the section `copies` of site.yaml: cb-registry, which keeps copies of base images on one host. */
import * as v from "valibot";
import { registryHost } from "../../../lib/config/mirror-config.ts";
import { maxGiB } from "../../../lib/config/registry-config.ts";

/** Each copy has a port of its own, from `port` on. */
const REGISTRIES_MAX = 16;

const copied = v.union(
  [
    registryHost,
    v.strictObject({
      host: registryHost,
      /** True: it has no TLS. */
      plainHttp: v.optional(v.boolean(), false),
    }),
  ],
  "must be a registry, such as quay.io, or { host: registry.example:5000, plainHttp: true }",
);

export const copiesSchema = v.strictObject({
  /** A NATS host, because builders reach it already. Default: the first. */
  host: v.optional(v.string()),
  /** As in a recipe's `From:`. docker.io by default, the registry of most recipes. */
  registries: v.optional(
    v.pipe(
      v.array(copied),
      v.minLength(1, "needs at least one registry"),
      v.maxLength(REGISTRIES_MAX, `more than ${REGISTRIES_MAX} registries`),
      v.transform((list) => list.map((one) => (typeof one === "string" ? { host: one, plainHttp: false } : one))),
      v.check((list) => new Set(list.map(({ host }) => host)).size === list.length, "two registries are the same"),
    ),
    ["docker.io"],
  ),
  maxGiB,
  /** Of the first copy; each further one has the next port. 5000 is that of docker-registry. */
  port: v.optional(
    v.pipe(
      v.number(),
      v.integer("must be a whole number"),
      v.minValue(1024, "must be at least 1024: cb-registry is not root"),
      v.maxValue(65_536 - REGISTRIES_MAX),
    ),
    5000,
  ),
});

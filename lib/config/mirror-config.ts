/** Mirrors in the configuration of the queue: pull-through copies of registries, which builders ask first for base images. */
import * as v from "valibot";

/** As in a recipe's `From:`. */
export const registryHost = v.pipe(
  v.string(),
  v.regex(
    /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/,
    "must be HOST or HOST:PORT, without https:// (plainHttp: true for a registry without TLS)",
  ),
  v.check((host) => URL.canParse(`https://${host}`), "is not an address"),
);

const mirror = v.strictObject({
  /** The registry that it copies; docker.io for Docker Hub. */
  registry: registryHost,
  /** The mirror's address, as the pool's builders reach it. */
  host: registryHost,
  /** True: no TLS. False by default, because without TLS the network can change which image a tag names. */
  plainHttp: v.optional(v.boolean(), false),
});

/** 16: one for each of the registries that a queue may list. */
export const mirrors = v.pipe(
  v.array(mirror),
  v.maxLength(16, "more than 16 mirrors"),
  v.check(
    (list) => new Set(list.map(({ registry }) => registry)).size === list.length,
    "two mirrors are of the same registry",
  ),
);

/** The registry of layers that `layers` of registry.yaml opens, as the pool's builders reach it. */
export const layersRegistry = v.strictObject({
  host: registryHost,
  /** True: no TLS. False by default, because without TLS the network can read a build's token and change the layers. */
  plainHttp: v.optional(v.boolean(), false),
});

/** For a sandbox 10.0.2.2 is the host's loopback, and only the listed ports of it are open. */
export const isReachable = (host: string, allowHostPorts: readonly string[]): boolean =>
  !host.startsWith("10.0.2.2:") || allowHostPorts.includes(host);

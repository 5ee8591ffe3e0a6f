/** cb-registry: keeps copies of the base images that builders pull from other registries, and the layers of users' Dockerfiles. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { isIgnored } from "../lib/cli/ignored-signals.ts";
import { main } from "../lib/cli/main.ts";
import { createCommand, parse } from "../lib/cli/program.ts";
import { type RegistryConfig, registryConfig } from "../lib/config/registry-config.ts";
import { readYamlFile } from "../lib/config/yaml-file.ts";
import { CbError, messageOf } from "../lib/core/errors.ts";
import { createLogger } from "../lib/core/log.ts";
import { isSignedBy } from "../lib/nats/credentials/nkey.ts";
import { requireProgram } from "../lib/oci/docker-registry/program.ts";
import { type LayersService, runLayers } from "../lib/oci/layers/service.ts";
import { grantIn } from "../lib/oci/layers/token.ts";
import { runPullThrough } from "../lib/oci/pull-through/service.ts";

interface Options {
  readonly config: string;
  readonly check?: boolean;
}

const GIB = 1024 ** 3;

const command = () =>
  createCommand({
    name: "cb-registry",
    summary:
      "Keep copies of base images, and the layers of users' Dockerfiles, for builders. Runs until SIGTERM or SIGINT.",
    examples: {
      "cb-registry": "run with /etc/container-builder/registry.yaml",
      "cb-registry --check -c registry.yaml": "check a configuration",
    },
    variables: ["PATH"],
    files: ["/etc/container-builder/registry.yaml"],
    failures: ["usage", "bug", "output", "infrastructure", "config"],
  })
    .option("-c, --config <file>", "the configuration, a YAML file", "/etc/container-builder/registry.yaml")
    .option("--check", "check the configuration, print its mistakes, and exit");

await main("cb-registry", async (argv) => {
  const { options } = parse<Options & Record<string, unknown>>(command(), argv);
  const config = readYamlFile(options.config, registryConfig);
  const program = await requireProgram(config.program);
  const layers = layersOf(config);
  if (options.check) return 0;
  const log = createLogger({ name: "cb-registry", level: config.logLevel });
  const stopping = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"]) if (!isIgnored(signal)) process.once(signal, () => stopping.abort());
  const { folder, registries, maxGiB } = config;
  log.info({ registries: registries.map(({ host, listen }) => `${host} on ${listen}`) }, "cb-registry runs");
  const { signal } = stopping;
  await Promise.all([
    runPullThrough({ registries, folder, maxBytes: maxGiB * GIB, program, log }, signal),
    ...(layers === undefined ? [] : [runLayers({ ...layers, program, log }, signal)]),
  ]);
  log.info("cb-registry has stopped");
  return 0;
});

/** Throws CbError "config" for a file of `tls` that cannot be read, or a certificate that does not belong to its key. */
function layersOf({ folder, layers }: RegistryConfig): Omit<LayersService, "program" | "log"> | undefined {
  if (layers === undefined) return undefined;
  const { key, tls, ...rest } = layers;
  const isSigned = (data: Uint8Array, signature: Uint8Array) => isSignedBy(key, data, signature);
  return {
    ...rest,
    tls: tls === undefined ? undefined : readTls(tls),
    folder: join(folder, "layers"),
    grantIn: (token) => grantIn(token, { isSigned, nowMs: Date.now() }),
  };
}

function readTls({ certificate, key }: { certificate: string; key: string }): { cert: string; key: string } {
  try {
    const tls = { cert: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") };
    createSecureContext(tls);
    return tls;
  } catch (cause) {
    throw new CbError("config", `cannot use layers.tls: ${messageOf(cause)}`, {
      hint: "name a certificate and its key, in PEM, readable by the user that runs cb-registry",
      cause,
    });
  }
}

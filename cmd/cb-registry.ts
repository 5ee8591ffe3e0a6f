/** cb-registry: keeps copies of the base images that builders pull from other registries. */
import { isIgnored } from "../lib/cli/ignored-signals.ts";
import { main } from "../lib/cli/main.ts";
import { createCommand, parse } from "../lib/cli/program.ts";
import { registryConfig } from "../lib/config/registry-config.ts";
import { readYamlFile } from "../lib/config/yaml-file.ts";
import { createLogger } from "../lib/core/log.ts";
import { requireProgram } from "../lib/oci/pull-through/program.ts";
import { runPullThrough } from "../lib/oci/pull-through/service.ts";

interface Options {
  readonly config: string;
  readonly check?: boolean;
}

const GIB = 1024 ** 3;

const command = () =>
  createCommand({
    name: "cb-registry",
    summary: "Keep copies of the base images of other registries for builders. Runs until SIGTERM or SIGINT.",
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
  if (options.check) return 0;
  const log = createLogger({ name: "cb-registry", level: config.logLevel });
  const stopping = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"]) if (!isIgnored(signal)) process.once(signal, () => stopping.abort());
  const { folder, registries, maxGiB } = config;
  log.info({ registries: registries.map(({ host, listen }) => `${host} on ${listen}`) }, "cb-registry runs");
  await runPullThrough({ registries, folder, maxBytes: maxGiB * GIB, program, log }, stopping.signal);
  log.info("cb-registry has stopped");
  return 0;
});

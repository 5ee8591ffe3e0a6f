/** cb-queue: the daemon that reserves builders for builds and manages the pools of builders. */
import { once } from "node:events";
import { isIgnored } from "../lib/cli/ignored-signals.ts";
import { main } from "../lib/cli/main.ts";
import { createCommand, parse } from "../lib/cli/program.ts";
import { warnOf } from "../lib/cli/read-credential.ts";
import { printText } from "../lib/cli/standard-output.ts";
import { type QueueConfig, queueConfig } from "../lib/config/queue-config.ts";
import { readYamlFile } from "../lib/config/yaml-file.ts";
import { CbError } from "../lib/core/errors.ts";
import { EXIT_CODES } from "../lib/core/exit-codes.ts";
import { createLogger } from "../lib/core/log.ts";
import { serviceManager } from "../lib/core/notify.ts";
import { exposureOf } from "../lib/nats/credentials/creds-mode.ts";
import { readKeyFile } from "../lib/nats/credentials/issuer.ts";
import { providersFor } from "../lib/provider/make-provider.ts";
import { checkFiles } from "../lib/queue/check-files.ts";
import { checkProviders } from "../lib/queue/check-providers.ts";
import { startQueueDaemon } from "../lib/queue/daemon.ts";
import { Watch } from "../lib/queue/watch/watch.ts";

interface Options {
  readonly config: string;
  readonly check?: boolean;
  readonly clouds?: boolean;
}

/** A clean stop takes a second. 20 s is well below the 90 s after which systemd kills a service. */
const STOP_MS = 20_000;

const command = () =>
  createCommand({
    name: "cb-queue",
    summary: "Reserve builders for builds, and manage the pools of builders. Runs until SIGTERM or SIGINT.",
    examples: {
      "cb-queue": "run with /etc/container-builder/queue.yaml",
      "cb-queue --check -c queue.yaml": "check a configuration",
      "cb-queue --check --clouds": "also check that the clouds have what it names",
    },
    variables: ["OS_*", "PATH"],
    files: ["/etc/container-builder/queue.yaml"],
    failures: ["usage", "bug", "output", "infrastructure", "denied", "config"],
  })
    .option("-c, --config <file>", "the configuration, a YAML file", "/etc/container-builder/queue.yaml")
    .option("--check", "check the configuration, print its mistakes, and exit")
    .option("--clouds", "with --check: also query the clouds for the flavors, images and networks that it names");

await main("cb-queue", async (argv) => {
  const { options } = parse<Options & Record<string, unknown>>(command(), argv);
  if (options.clouds && !options.check) {
    throw new CbError("usage", "--clouds is a part of --check", { hint: "write cb-queue --check --clouds" });
  }
  // At a start each reader of a file reports its absence.
  const config = readYamlFile(options.config, queueConfig, options.check ? checkFiles : undefined);
  const exposure = await exposureOf(config.nats.creds);
  if (options.check) {
    if (exposure !== undefined) warnOf("cb-queue")(exposure);
    await checkPools(config, options.clouds === true);
    if (config.pools.some(({ layers }) => layers !== undefined)) {
      const { publicKey } = await readKeyFile(config.issuer.signingKey);
      printText(`layers: cb-registry needs the key ${publicKey} (registry.yaml: layers.key)\n`);
    }
    return 0;
  }
  const log = createLogger({ name: "cb-queue", level: config.logLevel });
  if (exposure !== undefined) log.warn(exposure);
  const manager = serviceManager({ env: process.env, pid: process.pid, log });
  const stopping = new AbortController();
  const stopped = once(stopping.signal, "abort");
  for (const signal of ["SIGTERM", "SIGINT"]) {
    if (isIgnored(signal)) continue;
    process.once(signal, () => {
      log.info({ signal }, "cb-queue is stopping; builds go on");
      setTimeout(() => process.exit(EXIT_CODES.infrastructure), STOP_MS).unref();
      stopping.abort();
    });
  }
  const watch = await Watch.open({ config, log, manager });
  try {
    const daemon = await startQueueDaemon({ config, log, signal: stopping.signal, watch });
    await stopped;
    await daemon.stop();
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
  } finally {
    await watch.close();
  }
  log.info("cb-queue has stopped");
  return 0;
});

/** Prints the limits of each pool. Clouds are asked only when `clouds` is set, because the check of a file needs no network. */
async function checkPools(config: QueueConfig, clouds: boolean): Promise<void> {
  const pools = config.pools.filter(({ provider }) => clouds || provider.kind !== "openstack");
  const lines = await checkProviders(providersFor({ ...config, pools }), new AbortController().signal);
  for (const line of lines) printText(`${line}\n`);
}

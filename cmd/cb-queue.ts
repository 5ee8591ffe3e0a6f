/** cb-queue: the daemon that reserves builders for callers and keeps the pool of them. */
import { once } from "node:events";
import { Command } from "commander";
import { main } from "../lib/cli/main.ts";
import { parse } from "../lib/cli/parse.ts";
import { type QueueConfig, queueConfig } from "../lib/config/queue-config.ts";
import { readYamlFile } from "../lib/config/yaml-file.ts";
import { EXIT_CODES } from "../lib/core/exit-codes.ts";
import { createLogger } from "../lib/core/log.ts";
import { providersFor } from "../lib/provider/make-provider.ts";
import { checkProviders } from "../lib/queue/check-providers.ts";
import { startQueueDaemon } from "../lib/queue/daemon.ts";

interface Options {
  readonly config: string;
  readonly check?: boolean;
  readonly clouds?: boolean;
}

/** A clean stop takes a second; a supervisor's patience is not to be tried for longer (systemd: 90 s). */
const STOP_MS = 20_000;

await main("cb-queue", async (argv) => {
  const command = new Command("cb-queue")
    .description("Reserve builders for callers, and keep the pool of them.")
    .option("-c, --config <file>", "the configuration, YAML", "/etc/container-builder/queue.yaml")
    .option("--check", "read the configuration, say what is wrong with it, and leave")
    .option("--clouds", "with --check: also ask the clouds whether they have what the configuration names");
  const { options } = parse<Options & Record<string, unknown>>(command, argv);
  const config = readYamlFile(options.config, queueConfig);
  if (options.check) {
    if (options.clouds) await checkClouds(config);
    return 0;
  }
  const log = createLogger({ name: "cb-queue", level: config.logLevel });
  const stopping = new AbortController();
  const stopped = once(stopping.signal, "abort");
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.once(signal, () => {
      log.info({ signal }, "cb-queue stops; builds go on");
      setTimeout(() => process.exit(EXIT_CODES.infrastructure), STOP_MS).unref();
      stopping.abort();
    });
  }
  try {
    const daemon = await startQueueDaemon({ config, log, signal: stopping.signal });
    await stopped;
    await daemon.stop();
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
  }
  log.info("cb-queue has stopped");
  return 0;
});

async function checkClouds(config: QueueConfig): Promise<void> {
  const lines = await checkProviders(providersFor(config), new AbortController().signal);
  for (const line of lines) process.stdout.write(`${line}\n`);
}

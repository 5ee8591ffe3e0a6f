/** Runs the pull-through registries of one host, and bounds what they store. */
import { join } from "node:path";
import type { Logger } from "pino";
import { systemClock } from "../../core/clock.ts";
import { originOf, type Registry } from "../address.ts";
import { keepRunning } from "../docker-registry/registry-process.ts";
import { limitStore } from "../docker-registry/store-limit.ts";
import { isReplying } from "../is-replying.ts";

/** Between two passes the store grows by what the line to the registries brings: 1 GB on one of 100 MB/s. */
const PASS_MS = 10_000;

export interface PullThroughService {
  readonly registries: readonly (Pick<Registry, "host" | "plainHttp"> & { readonly listen: string })[];
  readonly folder: string;
  readonly maxBytes: number;
  readonly program: string;
  readonly log: Logger;
}

/** Returns when `signal` is aborted and all processes have ended. Rejects when a folder cannot be written. */
export async function runPullThrough(service: PullThroughService, signal: AbortSignal): Promise<void> {
  const { registries, program, log } = service;
  const folderOf = (host: string) => join(service.folder, host.replace(/[^\w.-]/g, "_"));
  const running = registries.map(({ listen, ...registry }) => {
    const folder = folderOf(registry.host);
    const isReplyingWithin = (timeoutMs: number) => isReplying({ host: listen, plainHttp: true }, timeoutMs);
    const config = copyOf(registry, listen);
    return keepRunning({ name: registry.host, folder, config, isReplying: isReplyingWithin, program, log }, signal);
  });
  const folders = registries.map(({ host }) => folderOf(host));
  await Promise.all([...running, keepBounded(folders, service, signal)]);
}

/** Docker Hub's server has another name than its images. */
const SERVERS: Readonly<Record<string, string>> = { "docker.io": "registry-1.docker.io" };

/** It has no login, so it gets and gives away public images only. Nothing can be pushed to a pull-through registry or deleted from it. */
function copyOf({ host, plainHttp }: Pick<Registry, "host" | "plainHttp">, listen: string) {
  return { http: { addr: listen }, proxy: { remoteurl: originOf({ host: SERVERS[host] ?? host, plainHttp }) } };
}

async function keepBounded(
  folders: readonly string[],
  { maxBytes, log }: PullThroughService,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const { files, bytes } = await limitStore(folders, maxBytes);
      if (files > 0) log.info({ files, bytes }, "removed the oldest copies");
    } catch (err) {
      log.warn({ err }, "the store cannot be bounded");
    }
    await systemClock.sleep(PASS_MS, signal);
  }
}

/** The stack's cb-queue with other settings, as a child of the test. */
import { readFileSync, writeFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import type { Running, Stack } from "../stack.ts";

/** What of the configuration a test changes. */
export interface QueueYaml {
  limits: Record<string, number>;
  pools: { name: string; arch?: string; reserve: number; max: number; provider: Record<string, unknown> }[];
  registries?: unknown[];
}

/** The path of the stack's configuration, changed. */
export function configWith(stack: Stack, change: (config: QueueYaml) => void): string {
  const config = parse(readFileSync(stack.statePath("queue.yaml"), "utf8")) as QueueYaml;
  change(config);
  const path = stack.path("queue.yaml");
  writeFileSync(path, stringify(config));
  return path;
}

/** Resolves when it answers. The stack's own queue has stopped before. */
export async function queueWith(stack: Stack, change: (config: QueueYaml) => void): Promise<Running> {
  const queue = stack.start("cb-queue", ["--config", configWith(stack, change)]);
  await queue.seen(/cb-queue answers/);
  return queue;
}

/** What it logged. */
export async function stopped(queue: Running): Promise<string> {
  queue.kill("SIGTERM");
  return (await queue.finished).stderr;
}

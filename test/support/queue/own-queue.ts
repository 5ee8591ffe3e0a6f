/** cb-queue with changed settings, as a child process of the test, instead of the stack's own queue. */
import { readFileSync, writeFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import type { Running, Stack } from "../stack.ts";

/** The part of the configuration that tests change. */
export interface QueueSettings {
  limits: Record<string, number>;
  pools: { name: string; arch?: string; reserve: number; max: number; provider: Record<string, unknown> }[];
  registries?: unknown[];
  bootstraps?: { mirrors: string[] };
  nats: { url: string };
  http?: { listen: string; hosts?: string[] };
}

/** The path of a changed copy of the stack's configuration, without `http`: the stack's own queue may still have that port. */
export function configWith(stack: Stack, change: (config: QueueSettings) => void): string {
  const config = parse(readFileSync(stack.statePath("queue.yaml"), "utf8")) as QueueSettings;
  delete config.http;
  change(config);
  const path = stack.path("queue.yaml");
  writeFileSync(path, stringify(config));
  return path;
}

/** Resolves when the queue serves requests. The stack's own queue must have stopped before. */
export async function queueWith(stack: Stack, change: (config: QueueSettings) => void): Promise<Running> {
  const queue = stack.start("cb-queue", ["--config", configWith(stack, change)]);
  await queue.seen(/cb-queue answers/);
  return queue;
}

/** Stops the queue, and resolves to its log. */
export async function stopped(queue: Running): Promise<string> {
  queue.kill("SIGTERM");
  return (await queue.finished).stderr;
}

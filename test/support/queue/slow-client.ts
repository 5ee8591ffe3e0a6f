/** A client that is held before its first connection to NATS, which then takes some seconds on the client's own clock. */
import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import type { HeldClient } from "../nats/held-client.ts";
import type { Stack } from "../stack.ts";

const PRELOAD = new URL("./slow-connection.mjs", import.meta.url);

export interface SlowClientOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly connectMs: number;
}

/** Resolves when the client is held. */
export async function holdSlowClient(
  stack: Stack,
  { program, args, connectMs }: SlowClientOptions,
): Promise<HeldClient> {
  const folder = `held-${randomUUID()}`;
  mkdirSync(stack.path(folder));
  const file = stack.path(folder, "held");
  const env = { CB_HOLD_CONNECTION: "1", CB_HOLD_FILE: file, CB_CONNECT_MS: String(connectMs) };
  const running = stack.start(program, args, { env, preload: PRELOAD });
  await stack.fileIn(folder);
  return { running, release: () => rmSync(file) };
}

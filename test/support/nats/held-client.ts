/** A client program that is held just before it connects to NATS. */
import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Running, Stack } from "../stack.ts";

/** The first connection is the user's, the second one a build's own. */
export interface HeldClient {
  readonly running: Running;
  /** Lets it continue. */
  release(): void;
}

const PRELOAD = new URL("hold-connection.mjs", import.meta.url);

/** Resolves when the program is held. */
export async function holdClient(
  stack: Stack,
  { program, args, connection }: { program: string; args: readonly string[]; connection: 1 | 2 },
): Promise<HeldClient> {
  const folder = `held-${randomUUID()}`;
  mkdirSync(stack.path(folder));
  const file = join(stack.path(folder), "held");
  const env = { CB_HOLD_CONNECTION: String(connection), CB_HOLD_FILE: file };
  const running = stack.start(program, args, { env, preload: PRELOAD });
  await stack.fileIn(folder);
  return { running, release: () => rmSync(file) };
}

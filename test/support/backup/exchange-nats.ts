/** Exchanges the nats-server of a local stack for one without streams, as a new host has none. */
import { readFileSync, rmSync } from "node:fs";
import { openInstallation } from "../../../infra/nats/installation.ts";
import { startNatsServer } from "../../../infra/nats/server.ts";
import type { Stack } from "../stack.ts";

/** Resolves when the new server listens on the port of the old one. */
export async function exchangeNats(stack: Stack): Promise<void> {
  await stack.natsEnds("SIGKILL");
  rmSync(stack.statePath("nats"), { recursive: true });
  const installation = await openInstallation(stack.statePath("installation"));
  if (installation === undefined) throw new Error("the stack has no installation");
  const port = Number(readFileSync(stack.statePath("nats.port"), "utf8"));
  await startNatsServer({ installation, dataDir: stack.statePath("nats"), port, detached: true });
}

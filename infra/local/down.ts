/** Stops the local stack: first the queue, so that it creates no more builders, then the builders, then NATS. */
import { rm } from "node:fs/promises";
import { destroyAllSandboxes } from "../../lib/provider/sandbox/folder.ts";
import { findNatsServer } from "../nats/server.ts";
import { QUEUE_STOP_MS, stopProcess } from "./daemon.ts";
import { layout } from "./layout.ts";
import { REGISTRY_STOP_MS } from "./registry.ts";
import { withStackLock } from "./stack-lock.ts";
import type { Notify } from "./up.ts";

/** Keys and streams stay for the next `up`. Does nothing when the stack is not up. */
export function down(notify: Notify): Promise<void> {
  const paths = layout();
  return withStackLock(paths, async () => {
    notify("Stopping cb-queue");
    await stopProcess(paths.queuePid, QUEUE_STOP_MS);
    notify("Destroying the builders");
    await destroyAllSandboxes(paths.sandboxes);
    await stopProcess(paths.registryPid, REGISTRY_STOP_MS);
    notify("Stopping nats-server");
    await (await findNatsServer(paths.natsData))?.stop();
    await rm(paths.client, { recursive: true, force: true });
  });
}

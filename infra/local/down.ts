/** Takes the local stack down: the queue first, so that it makes no more builders, then these, then NATS. */
import { rm } from "node:fs/promises";
import { destroyAllSandboxes } from "../../lib/provider/sandbox/folder.ts";
import { findNatsServer } from "../nats/server.ts";
import { QUEUE_PATIENCE_MS, stopProcess } from "./daemon.ts";
import { layout } from "./layout.ts";
import { withLock } from "./lock.ts";

/** Keys and streams stay for the next `up`. Resolves too when nothing is up. */
export function down(say: (line: string) => void): Promise<void> {
  const paths = layout();
  return withLock(paths, async () => {
    say("Stopping cb-queue");
    await stopProcess(paths.queuePid, QUEUE_PATIENCE_MS);
    say("Destroying the builders");
    await destroyAllSandboxes(paths.sandboxes);
    say("Stopping nats-server");
    await (await findNatsServer(paths.natsData))?.stop();
    await rm(paths.client, { recursive: true, force: true });
  });
}

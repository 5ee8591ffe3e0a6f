/** Takes the local stack down: the queue first, so that it makes no more builders, then these, then NATS. */
import { rm } from "node:fs/promises";
import { destroyAllSandboxes } from "../../lib/provider/sandbox/destroy.ts";
import { stopDaemon } from "./daemon.ts";
import { layout } from "./layout.ts";
import { withLock } from "./lock.ts";

/** Longer than the queue's own patience when it stops. */
const QUEUE_PATIENCE_MS = 25_000;
/** nats-server leaves JetStream in order within a second. */
const NATS_PATIENCE_MS = 10_000;

/** Keys and streams stay for the next `up`. Resolves too when nothing is up. */
export function down(say: (line: string) => void): Promise<void> {
  const paths = layout();
  return withLock(paths, async () => {
    say("Stopping cb-queue");
    await stopDaemon(paths.queuePid, QUEUE_PATIENCE_MS);
    say("Destroying the builders");
    await destroyAllSandboxes(paths.sandboxes);
    say("Stopping nats-server");
    await stopDaemon(paths.natsPid, NATS_PATIENCE_MS);
    await rm(paths.client, { recursive: true, force: true });
  });
}

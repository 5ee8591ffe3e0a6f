/** A stack's NATS as the queue itself sees it. */
import type { NatsConnection } from "nats";
import { readCreds } from "../../lib/auth/creds.ts";
import { connectBus } from "../../lib/bus/connect.ts";
import { clientConfig } from "../../lib/config/client-config.ts";
import type { Stack } from "./stack.ts";

/** The caller closes it. */
export async function coreOf(stack: Stack): Promise<NatsConnection> {
  const address = clientConfig({ flags: {}, env: {}, folders: [], localFolder: stack.statePath("client") });
  const credential = await readCreds(stack.statePath("installation", "creds", "queue.creds"), Date.now());
  return connectBus({ address, credential, name: "test" });
}

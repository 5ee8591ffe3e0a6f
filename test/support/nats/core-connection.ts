/** A connection to the NATS of a test's stack, with the queue's credential. */
import type { NatsConnection } from "nats";
import { clientConfig } from "../../../lib/config/client-config.ts";
import { connectNats } from "../../../lib/nats/connection.ts";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import type { Stack } from "../stack.ts";

export const stackConfig = (stack: Stack) =>
  clientConfig({ env: {}, folders: [], natsFolder: "", localFolder: stack.statePath("client") });

/** In CORE, with all rights. */
export async function connectCore(stack: Stack): Promise<NatsConnection> {
  const creds = await readCreds(stack.statePath("installation", "creds", "queue.creds"), Date.now());
  return connectNats({ address: stackConfig(stack), credential: creds, name: "test" });
}

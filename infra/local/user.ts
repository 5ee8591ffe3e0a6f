/** The local stack's own user, as its clients are configured. */

import { type ClientConfig, clientConfig } from "../../lib/config/client-config.ts";
import type { Credential } from "../../lib/nats/connection.ts";
import { readCreds } from "../../lib/nats/credentials/creds.ts";
import type { Layout } from "./layout.ts";

export interface LocalUser extends ClientConfig {
  readonly name: string;
  readonly credential: Credential;
}

/** Undefined when no stack has left its settings. */
export async function localUser(paths: Layout): Promise<LocalUser | undefined> {
  try {
    const config = clientConfig({ flags: {}, env: {}, folders: [], localFolder: paths.client });
    const creds = await readCreds(config.creds, Date.now());
    return { ...config, name: creds.name, credential: creds };
  } catch {
    return undefined;
  }
}

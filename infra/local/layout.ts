/** The files of the local stack: one folder, readable by its user only. */
import { join } from "node:path";
import { type ClientConfig, clientConfig } from "../../lib/config/client-config.ts";
import { folders } from "../../lib/config/folders.ts";
import type { Credential } from "../../lib/nats/connection.ts";
import { readCreds } from "../../lib/nats/credentials/creds.ts";

export interface Layout {
  /** Locked by the command that starts or stops the stack. */
  readonly root: string;
  /** Keys and certificates: created once, kept by `down`. */
  readonly installation: string;
  /** The streams of NATS: kept by `down`. */
  readonly natsData: string;
  /** The port that nats-server listened on last. */
  readonly natsPort: string;
  /** The port of the queue's metrics and status page. */
  readonly httpPort: string;
  readonly queueConfig: string;
  readonly queueLog: string;
  readonly queuePid: string;
  readonly registryConfig: string;
  readonly registryLog: string;
  readonly registryPid: string;
  /** Copies of base images: kept by `down`. */
  readonly registryStore: string;
  /** The state of the sandbox provider. */
  readonly sandboxes: string;
  /** Settings for clients that have no other queue configured. It exists while the stack is up. */
  readonly client: string;
  readonly clientConfig: string;
  readonly userCreds: string;
  /** Settings for cb-admin. It exists while the stack is up. */
  readonly adminConfig: string;
}

export function layout(): Layout {
  const { local } = folders();
  const root = join(local, "..");
  return {
    root,
    installation: join(root, "installation"),
    natsData: join(root, "nats"),
    natsPort: join(root, "nats.port"),
    httpPort: join(root, "http.port"),
    queueConfig: join(root, "queue.yaml"),
    queueLog: join(root, "queue.log"),
    queuePid: join(root, "queue.pid"),
    registryConfig: join(root, "registry.yaml"),
    registryLog: join(root, "registry.log"),
    registryPid: join(root, "registry.pid"),
    registryStore: join(root, "registry"),
    sandboxes: join(root, "sandboxes"),
    client: local,
    clientConfig: join(local, "config.yaml"),
    userCreds: join(local, "user.creds"),
    adminConfig: join(local, "admin.yaml"),
  };
}

/** The user that the stack's clients connect as. */
export interface LocalUser extends ClientConfig {
  readonly name: string;
  readonly credential: Credential;
}

/** Undefined when there are no settings for clients, as before the first `up` and after `down`. */
export async function localUser(paths: Layout): Promise<LocalUser | undefined> {
  try {
    const config = clientConfig({ env: {}, folders: [], natsFolder: "", localFolder: paths.client });
    const creds = await readCreds(config.creds, Date.now());
    return { ...config, name: creds.name, credential: creds };
  } catch {
    return undefined;
  }
}

/** Where the local stack keeps its things: one folder, all of it private to its user. */
import { join } from "node:path";
import { folders } from "../../lib/config/folders.ts";

export interface Layout {
  readonly root: string;
  /** Held while the stack is brought up or down. */
  readonly lock: string;
  /** Keys and certificates: made once, kept over `down`. */
  readonly installation: string;
  /** Streams of NATS: kept over `down`. */
  readonly natsData: string;
  /** The port it had the last time. */
  readonly natsPort: string;
  readonly queueConfig: string;
  readonly queueLog: string;
  readonly queuePid: string;
  /** The machines of the sandbox provider. */
  readonly sandboxes: string;
  /** What clients read when no queue is configured elsewhere; there while the stack is up. */
  readonly client: string;
  readonly clientConfig: string;
  readonly userCreds: string;
  /** What cb-admin reads, as long. */
  readonly adminConfig: string;
}

export function layout(): Layout {
  const { local } = folders();
  const root = join(local, "..");
  return {
    root,
    lock: join(root, "lock"),
    installation: join(root, "installation"),
    natsData: join(root, "nats"),
    natsPort: join(root, "nats.port"),
    queueConfig: join(root, "queue.yaml"),
    queueLog: join(root, "queue.log"),
    queuePid: join(root, "queue.pid"),
    sandboxes: join(root, "sandboxes"),
    client: local,
    clientConfig: join(local, "config.yaml"),
    userCreds: join(local, "user.creds"),
    adminConfig: join(local, "admin.yaml"),
  };
}

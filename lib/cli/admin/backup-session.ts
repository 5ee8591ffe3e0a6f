/** The connection of `cb-admin backup` and `restore`, in the account CORE. They talk to JetStream, and need no queue. */
import type { NatsConnection } from "nats";
import { type AdminConfig, adminConfig } from "../../config/admin-config.ts";
import { folders } from "../../config/folders.ts";
import { CbError } from "../../core/errors.ts";
import { connectNats } from "../../nats/connection.ts";
import type { JetStreamAccess } from "../../nats/jetstream/api.ts";
import { isQueueReachable } from "../../nats/rpc/server.ts";
import { inboxPrefix } from "../../protocol/subjects.ts";
import { readCredential, warnOf } from "../read-credential.ts";
import { addressOf, withConfigFile } from "./admin-session.ts";

export interface BackupSession {
  readonly config: AdminConfig;
  readonly nc: NatsConnection;
  readonly js: JetStreamAccess;
  /** Public key of the account CORE, which identifies the installation. */
  readonly installation: string;
}

const REMEDIES = {
  backupCreds: "the backup credential (creds/backup.creds of the installation)",
  restoreCreds: "the queue's credential (creds/queue.creds of the installation), which may change every stream",
} as const;

/**
 * Connects with the credential that the settings name under `key`. Throws CbError "config" for settings that are missing or wrong,
 * "denied" and "unreachable" as connectNats does.
 */
export async function openBackupSession(
  configFile: string | undefined,
  key: keyof typeof REMEDIES,
): Promise<BackupSession> {
  return backupSession(adminConfig(configFile, folders()), key);
}

/** The same with settings that are not in a file of their own. */
export async function backupSession(config: AdminConfig, key: keyof typeof REMEDIES): Promise<BackupSession> {
  const path = config[key];
  if (path === undefined) {
    throw new CbError("config", `${config.from} has no "${key}"`, { hint: `set it to the path of ${REMEDIES[key]}` });
  }
  const creds = await readCredential(path, warnOf("cb-admin"));
  try {
    const options = { address: addressOf(config), credential: creds, name: `cb-admin ${creds.name}` };
    const nc = await connectNats(options);
    const js = { nc, apiPrefix: "$JS.API", inboxPrefix: inboxPrefix(creds.key.publicKey) };
    return { config, nc, js, installation: creds.account };
  } catch (error) {
    throw withConfigFile(error, config);
  }
}

/** A running queue replies within milliseconds. NATS reports at once that there is none. */
const QUEUE_REPLY_MS = 2_000;

/** Throws CbError "usage" when a queue, or a restore, is running. */
export async function refuseRunningQueue({ nc }: BackupSession): Promise<void> {
  if (!(await isQueueReachable(nc, QUEUE_REPLY_MS))) return;
  throw new CbError("usage", "cb-queue, or another restore, is running on this NATS", {
    hint: "stop it first: systemctl stop cb-queue",
  });
}

/** The commands `cb-admin backup` and `cb-admin restore`. */
import type { Command } from "commander";
import { CbError } from "../../core/errors.ts";
import { NotAllowed } from "../../nats/jetstream/stream-errors.ts";
import { interruptSignal } from "../interrupt.ts";
import { Steps } from "../terminal.ts";
import { backup } from "./backup.ts";
import { type BackupSession, openBackupSession } from "./backup-session.ts";
import { refuseJson } from "./command-session.ts";
import { restore } from "./restore.ts";

/** JetStream places replicas of one stream on 1, 3 or 5 servers. */
const REPLICAS = ["1", "3", "5"];

interface BackupFlags {
  readonly withoutImages?: boolean;
  readonly suspend?: boolean;
}

export function addBackupCommands(program: Command): void {
  program
    .command("backup")
    .description("save the streams of the installation into a new folder: records, logs, images, revoked users")
    .argument("<folder>", "it is created; its parent exists")
    .option("--without-images", "leave out the images of builds that have ended")
    .option(
      "--suspend",
      "for an exchange of the NATS server while no queue runs: builds wait until a restore, or until cb-queue starts",
    )
    .action(async (folder: string, { withoutImages = false, suspend = false }: BackupFlags, command: Command) => {
      refuseJson(command);
      await withSession(command, suspend ? "restoreCreds" : "backupCreds", (session, shared) =>
        backup(session, { folder, withoutImages, suspends: suspend, ...shared }),
      );
    });
  program
    .command("restore")
    .description("make the streams of a backup on an empty server, while cb-queue is stopped")
    .argument("<folder>", "a folder that cb-admin backup made")
    .option("--replicas <number>", "keep this many replicas of each stream: 1, 3 or 5 (default: as in the backup)")
    .action(async (folder: string, { replicas }: { replicas?: string }, command: Command) => {
      refuseJson(command);
      const count = replicas === undefined ? {} : { replicas: replicaCount(replicas) };
      await withSession(command, "restoreCreds", (session, shared) =>
        restore(session, { folder, ...count, ...shared }),
      );
    });
}

function replicaCount(text: string): number {
  if (REPLICAS.includes(text)) return Number(text);
  throw new CbError("usage", `--replicas must be ${REPLICAS.join(", ")}, not ${text}`);
}

type Shared = { readonly steps: Steps; readonly signal: AbortSignal };

async function withSession(
  command: Command,
  key: "backupCreds" | "restoreCreds",
  work: (session: BackupSession, shared: Shared) => Promise<void>,
): Promise<void> {
  const { config } = command.optsWithGlobals<{ config?: string }>();
  const session = await openBackupSession(config, key);
  const steps = new Steps(process.stderr);
  try {
    await work(session, { steps, signal: interruptSignal() });
  } catch (error) {
    throw error instanceof NotAllowed ? notAllowed(error, session, key) : error;
  } finally {
    steps.close();
    await session.nc.close();
  }
}

function notAllowed(cause: NotAllowed, { config }: BackupSession, key: "backupCreds" | "restoreCreds"): CbError {
  return new CbError("denied", cause.message, {
    hint: `is ${config[key]} the right credential? "${key}" in ${config.from} names it; see docs/backup.md`,
    cause,
  });
}

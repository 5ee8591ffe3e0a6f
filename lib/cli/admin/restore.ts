/** `cb-admin restore`: makes the streams of a backup on an empty server, while no queue runs. */
import { join } from "node:path";
import { systemClock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";
import { VERSION } from "../../core/version.ts";
import { callApi, type JetStreamAccess } from "../../nats/jetstream/api.ts";
import { listStreams, StreamsNotListed } from "../../nats/jetstream/snapshot/list-streams.ts";
import { RestoreInterrupted, restoreStream } from "../../nats/jetstream/snapshot/restore-stream.ts";
import { startService } from "../../nats/rpc/server.ts";
import type { Steps } from "../terminal.ts";
import { duration, size } from "../text/progress.ts";
import { TransferProgress } from "../watch/transfer-progress.ts";
import { restoreGuestJwt } from "./backup-account.ts";
import { type BackupManifest, GUEST_JWT, type ManifestStream, readManifest, streamCount } from "./backup-manifest.ts";
import { type BackupSession, refuseRunningQueue } from "./backup-session.ts";
import { archiveBytes, counter, readArchive, verifyBackup } from "./restore-files.ts";
import { planRestore } from "./restore-plan.ts";

export interface RestoreOptions {
  readonly folder: string;
  /** Replicas of each stream. Default: as in the backup. */
  readonly replicas?: number;
  readonly steps: Steps;
  readonly signal: AbortSignal;
}

const TITLE = "Restoring";

/** nats-server (2.9 to 2.15) drops a restore that gets no chunk for 5 s; until then it refuses another one of the stream. */
const PAUSE_MS = 6_000;
/** In sequence, without a further stream: a minute at least, and six where JetStream does not answer. */
const INTERRUPTIONS_MAX = 10;

/**
 * Idempotent: after an interruption it makes the streams that are missing. Throws CbError "usage" when the backup is incomplete,
 * damaged or of another installation, when a queue runs, and when the server has other streams; nothing was changed then. While it
 * restores, errors as restoreStream, and the reason of `signal`. A lost connection interrupts it up to ten times in sequence.
 */
export async function restore(session: BackupSession, options: RestoreOptions): Promise<void> {
  const { folder, steps } = options;
  const { nc, js, installation, config } = session;
  const startedMs = performance.now();
  const manifest = await readManifest(folder);
  refuseOther(manifest, installation, folder);
  await requireJetStream(session);
  await refuseRunningQueue(session);
  // cb-queue refuses to start beside another, so from here on none can write beside the restore. Nor can a second restore.
  const service = await startService(nc, VERSION);
  try {
    const guestJwt = await verifyBackup(folder, manifest, options);
    const { missing, restored } = planRestore(manifest, await listStreams(js));
    if (restored > 0) steps.print(`${streamCount(restored)} restored before`);
    const total = archiveBytes(missing);
    steps.begin(TITLE);
    await restoreAll(js, manifest, missing, options);
    steps.complete(`${streamCount(missing.length)}, ${size(total)}, after ${duration(performance.now() - startedMs)}`);
    if (guestJwt !== undefined) {
      const path = join(folder, GUEST_JWT);
      await restoreGuestJwt(config, { jwt: guestJwt, path }, (line) => steps.print(line));
    }
  } finally {
    await service.stop();
  }
}

/** Goes on after a lost connection with the streams that the server does not have. */
async function restoreAll(
  js: JetStreamAccess,
  manifest: BackupManifest,
  streams: readonly ManifestStream[],
  { folder, steps, signal, replicas }: RestoreOptions,
): Promise<void> {
  const total = archiveBytes(streams);
  const progress = new TransferProgress(steps, TITLE, total);
  let missing = streams;
  for (let interruptions = 0; ; ) {
    try {
      if (interruptions > 0) missing = planRestore(manifest, await listStreams(js)).missing;
      const count = counter(progress, total - archiveBytes(missing));
      for (const stream of missing) {
        await restoreStream(js, withReplicas(stream, replicas), readArchive(folder, stream.name, { signal, count }));
        interruptions = 0;
      }
      return;
    } catch (error) {
      const isInterrupted =
        error instanceof RestoreInterrupted || (interruptions > 0 && error instanceof StreamsNotListed);
      if (!isInterrupted || ++interruptions > INTERRUPTIONS_MAX) throw error;
    }
    await systemClock.sleep(PAUSE_MS, signal);
    signal.throwIfAborted();
  }
}

function refuseOther(manifest: BackupManifest, installation: string, folder: string): void {
  if (manifest.installation === installation) return;
  throw new CbError("usage", `${folder} is a backup of another installation, ${manifest.installation}`, {
    hint: `this one is ${installation}: its keys would not fit the records`,
  });
}

/** Also shows whether the credential is one that may restore: the ping to the queue does not tell. Throws NotAllowed. */
async function requireJetStream({ js }: BackupSession): Promise<void> {
  const reply = await callApi(js, "INFO", {});
  if (reply.kind === "ok") return;
  const reason = reply.kind === "silent" ? "no server answers" : reply.refusal.text;
  throw new CbError("infrastructure", `JetStream is not available: ${reason}`, { hint: "see the log of nats-server" });
}

const withReplicas = (stream: ManifestStream, replicas: number | undefined): ManifestStream =>
  replicas === undefined ? stream : { ...stream, config: { ...stream.config, num_replicas: replicas } };

/** Decides which streams of a backup a restore makes, from those that the server has. Pure. */
import { CbError } from "../../core/errors.ts";
import type { ListedStream } from "../../nats/jetstream/snapshot/list-streams.ts";
import type { BackupManifest, ManifestStream } from "./backup-manifest.ts";
import { restoreOrder } from "./backup-order.ts";

export interface RestorePlan {
  /** In the order in which they are made. */
  readonly missing: readonly ManifestStream[];
  /** The number of streams that an earlier, interrupted restore has made. */
  readonly restored: number;
}

/** Enough to recognise them; a site may have thousands. */
const NAMED_MAX = 5;

/** Throws CbError "usage" when the server has streams that are not exactly those of the backup. Nothing is ever overwritten. */
export function planRestore(manifest: BackupManifest, existing: readonly ListedStream[]): RestorePlan {
  const saved = new Map(manifest.streams.map((stream) => [stream.name, stream]));
  // JetStream takes no snapshot of a stream in memory, so no backup has one, and nothing in it outlives its server.
  const onDisk = existing.filter(({ isInMemory }) => !isInMemory);
  const others = onDisk.filter((stream) => !isRestored(saved.get(stream.name), stream)).map(({ name }) => name);
  if (others.length > 0) throw notEmpty(others);
  const present = new Set(onDisk.map(({ name }) => name));
  const missing = restoreOrder(manifest.streams.filter(({ name }) => !present.has(name)));
  return { missing, restored: present.size };
}

/** The last message tells: its number is in the range of the backup, and its time too unless the stream was written meanwhile. */
function isRestored(saved: ManifestStream | undefined, existing: ListedStream): boolean {
  if (saved === undefined) return false;
  const { lastSeq, lastTime } = existing;
  const { state, lastSeqMax } = saved;
  if (lastSeq !== state.last_seq) return lastSeq > state.last_seq && lastSeq <= lastSeqMax;
  return Date.parse(lastTime) === Date.parse(state.last_ts) || mayLackLast(saved, existing);
}

/** nats-server 2.15.1 restores a stream without the time of its last message if that was removed, and names the last that is left. */
function mayLackLast({ state }: ManifestStream, { bytes, lastTime }: ListedStream): boolean {
  const { num_deleted = 0, first_ts = "", last_ts } = state;
  const lastMs = Date.parse(lastTime);
  const isInBackup = Date.parse(first_ts) <= lastMs && lastMs < Date.parse(last_ts);
  return num_deleted > 0 && bytes === state.bytes && isInBackup;
}

function notEmpty(names: readonly string[]): CbError {
  const shown = names.slice(0, NAMED_MAX).join(", ");
  const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : "";
  return new CbError("usage", `the server has streams that are not those of the backup: ${shown}${more}`, {
    hint: 'restore into an empty server: stop cb-queue and nats-server, move the folder "jetstream" in its store_dir away, start nats-server alone',
  });
}

/** Reads the files of a backup, and compares them with the digests in its manifest before a restore writes anything. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CbError } from "../../core/errors.ts";
import { RESTORE_CHUNK_BYTES } from "../../nats/jetstream/snapshot/restore-stream.ts";
import type { Steps } from "../terminal.ts";
import { size } from "../text/progress.ts";
import { TransferProgress } from "../watch/transfer-progress.ts";
import { type BackupManifest, GUEST_JWT, type ManifestStream, streamCount, streamFile } from "./backup-manifest.ts";

export interface ReadOptions {
  readonly signal: AbortSignal;
  /** Called with the size of each chunk. */
  readonly count: (bytes: number) => void;
}

/**
 * Returns the JWT of GUEST, if the backup has it. Throws CbError "usage" for a file that is missing or differs from its digest, and
 * the reason of `signal`.
 */
export async function verifyBackup(
  folder: string,
  { streams, endedAt, guestJwt }: BackupManifest,
  { steps, signal }: { steps: Steps; signal: AbortSignal },
): Promise<string | undefined> {
  const title = "Verifying";
  const total = archiveBytes(streams);
  steps.begin(title);
  const count = counter(new TransferProgress(steps, title, total));
  for (const { name, sha256 } of streams) {
    const hash = createHash("sha256");
    for await (const chunk of readArchive(folder, name, { signal, count })) hash.update(chunk);
    if (hash.digest("hex") !== sha256) throw damaged(streamFile(folder, name));
  }
  steps.complete(`${streamCount(streams.length)}, ${size(total)}, saved at ${endedAt}`);
  return guestJwt && readGuestJwt(join(folder, GUEST_JWT), guestJwt.sha256);
}

async function readGuestJwt(path: string, sha256: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw damaged(path, cause);
  });
  if (createHash("sha256").update(text).digest("hex") === sha256) return text;
  throw damaged(path);
}

/** The chunks of one stream's archive. Throws CbError "usage" when it cannot be read, and the reason of `signal`. */
export async function* readArchive(
  folder: string,
  name: string,
  { signal, count }: ReadOptions,
): AsyncGenerator<Uint8Array> {
  const path = streamFile(folder, name);
  const chunks = createReadStream(path, { highWaterMark: RESTORE_CHUNK_BYTES });
  try {
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      count(chunk.length);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof Error && "syscall" in error) throw damaged(path, error);
    throw error;
  }
}

/** Adds up the sizes of chunks, from `done` on, and shows the sum. */
export function counter(progress: TransferProgress, done = 0): (bytes: number) => void {
  return (bytes) => {
    done += bytes;
    progress.show(done);
  };
}

export const archiveBytes = (streams: readonly ManifestStream[]): number =>
  streams.reduce((total, { bytes }) => total + bytes, 0);

const damaged = (path: string, cause?: unknown): CbError =>
  new CbError("usage", `${path} is missing or damaged, so nothing was restored`, { hint: "use another backup", cause });

/** `cb-admin backup`: saves the streams of an installation into a folder, also while the queue runs. */
import { systemClock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";
import { VERSION } from "../../core/version.ts";
import { type ListedStream, listStreams } from "../../nats/jetstream/snapshot/list-streams.ts";
import { type SavedStream, saveStream } from "../../nats/jetstream/snapshot/snapshot.ts";
import { resumed, suspendStreams } from "../../nats/jetstream/snapshot/suspended-streams.ts";
import type { Steps } from "../terminal.ts";
import { duration, size } from "../text/progress.ts";
import { TransferProgress } from "../watch/transfer-progress.ts";
import { guestJwt } from "./backup-account.ts";
import { BackupFolder } from "./backup-folder.ts";
import { type BackupManifest, type ManifestStream, STREAM_NAME, streamCount } from "./backup-manifest.ts";
import { imagesOnly, mustBeQuiet, otherStreams, recordStreams } from "./backup-order.ts";
import { type BackupSession, refuseRunningQueue } from "./backup-session.ts";

export interface BackupOptions {
  readonly folder: string;
  readonly withoutImages: boolean;
  /**
   * True: the server will be exchanged for an empty one. The streams of builds are suspended first, while no queue runs, so nothing
   * is stored after the backup. Needs all rights.
   */
  readonly suspends?: boolean;
  readonly steps: Steps;
  readonly signal: AbortSignal;
}

/** A bucket of records is written a few times a second; its snapshot takes milliseconds. */
const QUIET_ATTEMPTS_MAX = 50;
/** For a connection that was lost, and a log that is written without a pause. */
const ATTEMPTS_MAX = 3;

/**
 * Resolves when the backup is whole, on the disk and has its name. Throws CbError "usage" when the folder exists, "output" when it
 * cannot be written, "denied" and "infrastructure" as saveStream, listStreams and suspendStreams do, and the reason of `signal`; the
 * folder does not exist then.
 */
export async function backup(session: BackupSession, options: BackupOptions): Promise<void> {
  const folder = await BackupFolder.create(options.folder);
  try {
    await new Backup(session, options, folder).run();
  } finally {
    // Does nothing after the folder has got its name.
    await folder.discard();
  }
}

type Left = BackupManifest["left"][number];

class Backup {
  readonly #session: BackupSession;
  readonly #options: BackupOptions;
  readonly #folder: BackupFolder;
  readonly #saved: ManifestStream[] = [];
  readonly #left: Left[] = [];
  /** Bytes in the streams that are done. */
  #doneBytes = 0;

  constructor(session: BackupSession, options: BackupOptions, folder: BackupFolder) {
    this.#session = session;
    this.#options = options;
    this.#folder = folder;
  }

  async run(): Promise<void> {
    const { steps } = this.#options;
    const { nc, installation } = this.#session;
    const startedMs = systemClock.nowMs();
    if (this.#options.suspends) await this.#suspend();
    const listed = await listStreams(this.#session.js);
    await this.#saveAll(recordStreams(listed), "Saving the records");
    // Builds may have been reserved while the records were saved.
    const others = this.#chosen(otherStreams(await listStreams(this.#session.js)));
    await this.#saveAll(this.#options.suspends ? others.toReversed() : others, "Saving logs and images");
    const jwt = await guestJwt(this.#session.config, (line) => steps.print(line));
    const endedMs = systemClock.nowMs();
    await this.#folder.place({
      version: 1,
      installation,
      startedAt: new Date(startedMs).toISOString(),
      endedAt: new Date(endedMs).toISOString(),
      software: VERSION,
      server: nc.info?.version ?? "",
      streams: this.#saved,
      left: this.#left,
      ...(jwt === undefined ? {} : { guestJwt: await this.#folder.writeGuestJwt(jwt) }),
    });
    for (const { name, reason } of this.#left) if (reason !== IMAGE) steps.print(`not saved: ${name}: ${reason}`);
    const bytes = this.#saved.reduce((sum, stream) => sum + stream.bytes, 0);
    const count = streamCount(this.#saved.length);
    steps.begin("Backup");
    steps.complete(`${count}, ${size(bytes)} in ${this.#options.folder}, after ${duration(endedMs - startedMs)}`);
  }

  async #suspend(): Promise<void> {
    const { steps } = this.#options;
    await refuseRunningQueue(this.#session);
    steps.begin("Suspending builds");
    steps.complete(streamCount(await suspendStreams(this.#session.js)));
  }

  #chosen(streams: readonly ListedStream[]): ListedStream[] {
    const images = this.#options.withoutImages ? imagesOnly(streams) : new Set();
    for (const { name } of streams) if (images.has(name)) this.#left.push({ name, reason: IMAGE });
    return streams.filter(({ name }) => !images.has(name));
  }

  async #saveAll(streams: readonly ListedStream[], title: string): Promise<void> {
    const { steps } = this.#options;
    const total = streams.reduce((sum, { bytes }) => sum + bytes, 0);
    steps.begin(title);
    const progress = new TransferProgress(steps, title, total);
    this.#doneBytes = 0;
    for (const stream of streams) {
      await this.#save(stream, progress);
      this.#doneBytes += stream.bytes;
      progress.show(this.#doneBytes);
    }
    steps.complete(`${streamCount(streams.length)}, ${size(total)}`);
  }

  async #save({ name, bytes, isInMemory }: ListedStream, progress: TransferProgress): Promise<void> {
    if (isInMemory)
      return void this.#left.push({ name, reason: "it is in memory, and JetStream takes no snapshot of it" });
    if (!STREAM_NAME.test(name)) return void this.#left.push({ name, reason: "its name is no file name" });
    const attempts = mustBeQuiet(name) ? QUIET_ATTEMPTS_MAX : ATTEMPTS_MAX;
    for (let attempt = 1; ; attempt++) {
      const found = await this.#saveOnce({ name, bytes, progress, isLast: attempt === attempts });
      if (found === "gone") return void this.#left.push({ name, reason: "it was deleted meanwhile" });
      if (found !== "again") return void this.#saved.push(found);
    }
  }

  async #saveOnce({ name, bytes, progress, isLast }: Attempt): Promise<ManifestStream | "gone" | "again"> {
    const { signal } = this.#options;
    const file = this.#folder.openStream(name);
    let received = 0;
    const write = (chunk: Uint8Array) => {
      file.write(chunk);
      received += chunk.length;
      // The archive is compressed, so its size only approximates that of the stream.
      progress.show(this.#doneBytes + Math.min(received, bytes));
    };
    try {
      const found = await saveStream(this.#session.js, name, { write, signal });
      if (found === undefined) return "gone";
      const isQuiet = found.lastSeqMax === found.state.last_seq;
      if (!isQuiet && !isLast) return "again";
      if (!isQuiet && mustBeQuiet(name)) throw neverQuiet(name);
      return entryOf(found, file.finish());
    } catch (error) {
      if (isLast || !(error instanceof CbError) || error.kind !== "infrastructure") throw error;
      return "again";
    } finally {
      await file.discard();
    }
  }
}

interface Attempt {
  readonly name: string;
  readonly bytes: number;
  readonly progress: TransferProgress;
  readonly isLast: boolean;
}

const IMAGE = "an image, which --without-images leaves out";

const entryOf = (
  { config, state, lastSeqMax }: SavedStream,
  file: { bytes: number; sha256: string },
): ManifestStream => ({
  name: config.name,
  ...file,
  config: resumed(config),
  state,
  lastSeqMax,
});

const neverQuiet = (name: string): CbError =>
  new CbError("infrastructure", `${name} was written during each of ${QUIET_ATTEMPTS_MAX} snapshots`, {
    hint: "try again when fewer builds begin and end, or stop cb-queue meanwhile; running builds go on",
  });

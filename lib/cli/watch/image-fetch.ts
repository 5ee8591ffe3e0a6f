/**
 * Fetches the image of a build while the builder still sends it, with a progress bar. The image gets its name only when the queue
 * has confirmed its digest; until then it is in a hidden file beside the target. If the builder is lost, the image of that attempt
 * is removed and the next attempt's image is fetched.
 */
import { basename } from "node:path";
import type { NatsConnection } from "nats";
import { CbError } from "../../core/errors.ts";
import { guestAccess } from "../../nats/connection.ts";
import { StreamNotFound } from "../../nats/jetstream/stream-errors.ts";
import type { BuildState } from "../../protocol/build-messages.ts";
import type { StoredObject } from "../../protocol/object-layout.ts";
import { bucket } from "../../protocol/subjects.ts";
import type { OldFile } from "../../transfer/delta/old-file.ts";
import { receiveImage } from "../../transfer/delta/receive-image.ts";
import { ObjectDamaged } from "../../transfer/get.ts";
import type { ReceivedFile } from "../../transfer/receive-file.ts";
import type { BuildReport } from "../report/build-report.ts";
import type { Steps } from "../terminal.ts";
import { size } from "../text/progress.ts";
import { fit } from "../text/width.ts";
import { TransferProgress } from "./transfer-progress.ts";

export interface ImageTarget {
  readonly steps: Steps;
  readonly report: BuildReport;
  /** Absolute; "-" for standard output. */
  readonly imagePath: string;
  /** True: replace a file at that path. */
  readonly force: boolean;
  /** An older image, of which equal parts are copied in place of being fetched. */
  readonly old?: OldFile | undefined;
  /** Aborted with an Interrupted. */
  readonly interrupted: AbortSignal;
}

export type Announcement = Extract<BuildState, { state: "uploading" }>;

export interface BuildSource {
  /** A connection with the credential of this build. */
  readonly nc: NatsConnection;
  readonly build: string;
  /** Called as that of a reader; see OutageNotice. */
  readonly onWaiting: (silentMs: number) => void;
}

interface Transfer {
  readonly announcement: Announcement;
  readonly image: Promise<ReceivedFile<StoredObject>>;
  readonly stop: AbortController;
}

export class ImageFetch {
  readonly #target: ImageTarget;
  readonly #source: BuildSource;
  /** The last attempt that announced an image. */
  #attempt = -1;
  #transfer: Transfer | undefined;

  constructor(target: ImageTarget, source: BuildSource) {
    this.#target = target;
    this.#source = source;
  }

  /**
   * Begins to fetch the announced image, after it has removed that of an earlier attempt. Further announcements of the same attempt
   * are ignored: a builder may be hostile.
   */
  async start(announcement: Announcement, attempt: number): Promise<void> {
    if (attempt <= this.#attempt) return;
    this.#attempt = attempt;
    await this.discard();
    this.#begin(announcement);
  }

  #begin(announcement: Announcement): void {
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#target.interrupted, stop.signal]);
    const image = fetchImage(this.#target, { ...this.#source, announcement, signal });
    // `place` awaits it after the end of the build; until then a failure must not be an unhandled rejection.
    image.catch(() => undefined);
    this.#transfer = { announcement, image, stop };
  }

  /**
   * The build has succeeded, and the queue recorded this digest. Resolves when the image is at its path. Throws the error of the
   * fetch, CbError "output" when it cannot get its name, and CbError "infrastructure" when the image differs or was never
   * announced.
   */
  async place(digest: string): Promise<{ bytes: number; sha256: string }> {
    const received = await this.#received();
    if (received?.result.digest !== digest) {
      const message =
        received === undefined
          ? "the build succeeded without an image"
          : "the image does not match the digest that the queue recorded";
      throw new CbError("infrastructure", message, { hint: "build again" });
    }
    await received.place().catch((error: unknown) => {
      throw withHint(error, this.#source.build);
    });
    return { bytes: received.result.sizeBytes, sha256: sha256Of(digest) };
  }

  /**
   * The fetched image. One that arrived damaged is fetched once more, because nats-server may have delivered other bytes while it was
   * put.
   */
  async #received(): Promise<ReceivedFile<StoredObject> | undefined> {
    const transfer = this.#transfer;
    try {
      return await transfer?.image;
    } catch (error) {
      if (transfer === undefined || !(error instanceof ObjectDamaged)) throw error;
      this.#target.steps.print(`the image arrived damaged and is fetched again: ${error.message}`);
      this.#begin(transfer.announcement);
      return await this.#transfer?.image.catch((again: unknown) => {
        throw again instanceof ObjectDamaged ? damagedAgain(again, this.#source.build) : again;
      });
    }
  }

  /** Stops the fetch and removes the received part, or the complete image, unless `place` has given it its name. */
  async discard(): Promise<void> {
    const transfer = this.#transfer;
    this.#transfer = undefined;
    if (transfer === undefined) return;
    transfer.stop.abort();
    const received = await transfer.image.catch(() => undefined);
    await received?.discard();
  }
}

/** Leaves half of a terminal of 80 columns for the progress. */
const TITLE_COLUMNS = 24;

interface FetchOptions extends BuildSource {
  readonly announcement: Announcement;
  readonly signal: AbortSignal;
}

/** Resolves when the image, with matching size and digest, is complete in a hidden file. Errors as receiveFile, with a hint how to fetch it later. */
async function fetchImage(target: ImageTarget, { nc, build, announcement, signal, onWaiting }: FetchOptions) {
  const { steps, report, imagePath, force, old } = target;
  const { nuid, bytes } = announcement;
  const title = `Transferring ${fit(basename(imagePath), TITLE_COLUMNS)}`;
  steps.begin(title);
  const progress = new TransferProgress(steps, title, bytes);
  const get = {
    bucket: bucket(build),
    name: "image",
    announced: { nuid, sizeBytes: bytes },
    signal,
    onWaiting,
    onProgress: (doneBytes: number) => {
      progress.show(doneBytes);
      report.transfer(doneBytes, bytes);
    },
  };
  const onWhole = (reason: string) => steps.print(`note: the whole image is fetched: ${reason}`);
  const receiving = receiveImage(guestAccess(nc), { get, target: { path: imagePath, force }, old, onWhole });
  const { file, fetchedBytes } = await receiving.catch((error: unknown) => {
    throw withHint(error, build);
  });
  const { sizeBytes } = file.result;
  // A rate says nothing about bytes that were copied on this machine.
  const rate = `${size(progress.bytesPerSecond(sizeBytes))}/s`;
  steps.complete(`Completed, ${size(sizeBytes)}, ${fetchedBytes < sizeBytes ? `${size(fetchedBytes)} fetched` : rate}`);
  return file;
}

/** The digest in hexadecimal, as sha256sum prints it. */
export const sha256Of = (digest: string): string =>
  Buffer.from(digest.replace(/^SHA-256=/, ""), "base64url").toString("hex");

/** Only an image that was received is deleted early, so the caller can fetch it when an operator has looked at NATS. */
function damagedAgain(cause: ObjectDamaged, build: string): CbError {
  const hint = `tell your operator (a restart may mend what nats-server has in memory), then fetch it with: cb-attach ${build}`;
  return new CbError(cause.kind, cause.message, { hint, cause });
}

/** The queue keeps an image that was not received, so after a local failure it can be fetched later. */
export function withHint(error: unknown, build: string): unknown {
  if (error instanceof StreamNotFound) {
    const hint = "another terminal has fetched it, or its retention time is over: build again";
    return new CbError("usage", "the image is not kept any more", { hint, cause: error });
  }
  if (!(error instanceof CbError) || (error.kind !== "output" && error.kind !== "usage")) return error;
  const later = `the queue keeps the image for a while (see cb-builds); fetch it with: cb-attach ${build}`;
  const hint = error.hint === undefined ? later : `${error.hint}; ${later}`;
  return new CbError(error.kind, error.message, { hint, cause: error.cause });
}

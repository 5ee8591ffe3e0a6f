/** Brings the image to its place while the builder is still sending it, with a bar for who watches. */
import { basename } from "node:path";
import type { NatsConnection } from "nats";
import { CbError } from "../../core/errors.ts";
import { guestAccess } from "../../nats/connection.ts";
import type { StoredObject } from "../../nats/jetstream/object-layout.ts";
import { StreamNotFound } from "../../nats/jetstream/stream-errors.ts";
import type { BuildState } from "../../protocol/build-messages.ts";
import { bucket } from "../../protocol/subjects.ts";
import { getObject } from "../../transfer/get.ts";
import { receiveFile } from "../../transfer/receive-file.ts";
import type { Steps } from "../terminal.ts";
import { size } from "../text/progress.ts";
import { TransferProgress } from "./transfer-progress.ts";

/** Who wants the image, and where. */
export interface ImageTarget {
  readonly steps: Steps;
  /** Absolute. */
  readonly imagePath: string;
  readonly force: boolean;
  /** Aborted with an Interrupted. */
  readonly interrupted: AbortSignal;
}

export interface ImageFetchOptions {
  readonly nc: NatsConnection;
  readonly build: string;
  readonly announced: Extract<BuildState, { state: "uploading" }>;
  readonly signal: AbortSignal;
}

/** Resolves when the verified image stands in its place, with what it is. Throws what receiveFile throws, with the way to the image. */
export async function fetchImage(
  taker: ImageTarget,
  { nc, build, announced, signal }: ImageFetchOptions,
): Promise<StoredObject> {
  const { steps, imagePath, force } = taker;
  const { nuid, bytes } = announced;
  const title = `Transferring ${basename(imagePath)}`;
  steps.begin(title);
  const news = new TransferProgress(steps, title, bytes);
  const chunks = getObject(guestAccess(nc), {
    bucket: bucket(build),
    name: "image",
    announced: { nuid, sizeBytes: bytes },
    signal,
    onProgress: (doneBytes) => news.moved(doneBytes),
  });
  const image = await receiveFile(chunks, { path: imagePath, force }).catch((error: unknown) => {
    throw withRemedy(error, build);
  });
  steps.done(`Completed, ${size(image.sizeBytes)}, ${size(news.bytesPerSecond(image.sizeBytes))}/s`);
  return image;
}

/** Until somebody has the image it is kept: what is wrong here costs no build. */
function withRemedy(error: unknown, build: string): unknown {
  if (error instanceof StreamNotFound) {
    const hint = "it was fetched by another terminal, or its time is over: build again";
    return new CbError("usage", "the image is not kept any more", { hint, cause: error });
  }
  if (!(error instanceof CbError) || (error.kind !== "output" && error.kind !== "usage")) return error;
  const later = `the image is kept for a while (see cb-builds), and fetched by: cb-attach ${build}`;
  const hint = error.hint === undefined ? later : `${error.hint}; ${later}`;
  return new CbError(error.kind, error.message, { hint, cause: error.cause });
}

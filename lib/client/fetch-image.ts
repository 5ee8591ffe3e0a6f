/** Brings the image to its place while the builder is still sending it, with a bar for who watches. */
import { basename } from "node:path";
import type { NatsConnection } from "nats";
import type { BuildState } from "../bus/build-messages.ts";
import { guestAccess } from "../bus/connect.ts";
import { bucket } from "../bus/names.ts";
import type { StoredObject } from "../bus/object-layout.ts";
import { getObject } from "../transfer/get.ts";
import { receiveFile } from "../transfer/receive-file.ts";
import type { BuildOrder } from "./build-flow.ts";
import { progressLine, size } from "./progress.ts";
import type { Steps } from "./terminal.ts";

export interface Fetch {
  readonly nc: NatsConnection;
  readonly build: string;
  readonly announced: Extract<BuildState, { state: "uploading" }>;
  readonly signal: AbortSignal;
}

/** A bar that moves ten times a second looks alive; a log line each 10 s is enough for a file. */
const BAR_MS = 100;
const LINE_MS = 10_000;

/** Resolves when the verified image stands in its place, with what it is. Throws what receiveFile throws. */
export async function fetchImage(order: BuildOrder, { nc, build, announced, signal }: Fetch): Promise<StoredObject> {
  const { steps, imagePath, force } = order;
  const { nuid, bytes } = announced;
  // A long path would leave no room for the bar.
  const title = `Transferring ${basename(imagePath)}`;
  steps.begin(title);
  const startedMs = performance.now();
  const chunks = getObject(guestAccess(nc), {
    bucket: bucket(build),
    name: "image",
    announced: { nuid, sizeBytes: bytes },
    signal,
    onProgress: showProgress(steps, `${title}: `.length, bytes),
  });
  const image = await receiveFile(chunks, { path: imagePath, force });
  const seconds = Math.max(performance.now() - startedMs, 1) / 1000;
  steps.done(`Completed, ${size(image.sizeBytes)}, ${size(image.sizeBytes / seconds)}/s`);
  return image;
}

function showProgress(steps: Steps, used: number, totalBytes: number): (doneBytes: number) => void {
  const startedMs = performance.now();
  const everyMs = steps.isTerminal ? BAR_MS : LINE_MS;
  let shownMs = steps.isTerminal ? Number.NEGATIVE_INFINITY : startedMs;
  return (doneBytes) => {
    const nowMs = performance.now();
    if (nowMs - shownMs < everyMs) return;
    shownMs = nowMs;
    steps.news(progressLine({ doneBytes, totalBytes, elapsedMs: nowMs - startedMs }, steps.columns - used - 1));
  };
}

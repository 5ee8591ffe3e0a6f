/**
 * Writes the image of a build to standard output. It begins when the queue has recorded how the build ended: bytes that were written
 * cannot be taken back, as the image of a lost attempt must be.
 */

import { CbError } from "../../core/errors.ts";
import { guestAccess } from "../../nats/connection.ts";
import { bucket } from "../../protocol/subjects.ts";
import { getObject } from "../../transfer/get.ts";
import { outputFailure, writeImage } from "../standard-output.ts";
import { size } from "../text/progress.ts";
import { type Announcement, type BuildSource, type ImageTarget, sha256Of, withHint } from "./image-fetch.ts";
import { TransferProgress } from "./transfer-progress.ts";

const TITLE = "Transferring the image to standard output";

export class ImageToOutput {
  readonly #target: ImageTarget;
  readonly #source: BuildSource;
  #announced: { announcement: Announcement; attempt: number } | undefined;

  constructor(target: ImageTarget, source: BuildSource) {
    this.#target = target;
    this.#source = source;
  }

  async start(announcement: Announcement, attempt: number): Promise<void> {
    if (attempt > (this.#announced?.attempt ?? -1)) this.#announced = { announcement, attempt };
  }

  /**
   * Resolves when the whole image is written. Throws as ImageFetch.place; standard output then has a part of it, or all of a wrong one,
   * and the exit code is the only sign.
   */
  async place(digest: string): Promise<{ bytes: number; sha256: string }> {
    const { steps, interrupted: signal, report } = this.#target;
    const { nc, build, onWaiting } = this.#source;
    const announced = this.#announced?.announcement;
    if (announced === undefined)
      throw new CbError("infrastructure", "the build succeeded without an image", { hint: "build again" });
    const { nuid, bytes: sizeBytes } = announced;
    steps.begin(TITLE);
    const progress = new TransferProgress(steps, TITLE, sizeBytes);
    const onProgress = (doneBytes: number) => {
      progress.show(doneBytes);
      report.transfer(doneBytes, sizeBytes);
    };
    const chunks = getObject(guestAccess(nc), {
      bucket: bucket(build),
      name: "image",
      announced: { nuid, sizeBytes },
      signal,
      onWaiting,
      onProgress,
    });
    try {
      for (;;) {
        const step = await chunks.next();
        if (!step.done) {
          if (await writeImage(step.value)) continue;
          throw outputFailure() ?? new CbError("output", "the reader of standard output has closed it");
        }
        const { digest: found } = step.value;
        if (found !== digest)
          throw new CbError("infrastructure", "the image does not match the digest that the queue recorded", {
            hint: "discard the output, and build again",
          });
        steps.complete(`Completed, ${size(sizeBytes)}, ${size(progress.bytesPerSecond(sizeBytes))}/s`);
        return { bytes: sizeBytes, sha256: sha256Of(digest) };
      }
    } catch (error) {
      throw withHint(error, build);
    } finally {
      await chunks.return?.(undefined as never);
    }
  }

  async discard(): Promise<void> {
    this.#announced = undefined;
  }
}

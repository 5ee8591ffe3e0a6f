/** The reports of an agent about the attempt that it runs: an image to store, and the outcome. */

import type { BuildLimits } from "../../config/queue-config.ts";
import type { FinalState } from "../../protocol/build-messages.ts";
import type { AgentReply, BuildOutcome } from "../../protocol/builder-messages.ts";
import type { Builds } from "../builds/builds.ts";
import type { Endings } from "../builds/endings.ts";
import type { BuildRecord } from "../builds/record.ts";
import type { BuildStreams } from "../builds/streams.ts";
import type { LostBuilders } from "./lost-builders.ts";

export interface AttemptsOptions {
  readonly builds: Builds;
  readonly streams: BuildStreams;
  readonly endings: Endings;
  readonly lost: LostBuilders;
  readonly limits: Pick<BuildLimits, "contextBytes" | "imageBytes">;
}

export class BuildAttempts {
  readonly #options: AttemptsOptions;

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  /** Reserves the space for the announced image. An image over the limit ends the build as failed. */
  async storeImage(record: BuildRecord, image: { bytes: number; chunkBytes: number }): Promise<AgentReply> {
    const { builds, streams, endings, limits } = this.#options;
    if (image.bytes > limits.imageBytes) {
      const reason = `the image has ${image.bytes} bytes; at most ${limits.imageBytes} are allowed`;
      await endings.end(record.build, { v: 1, state: "failed", exitCode: 0, reason });
      return { v: 1, order: "stop", reason };
    }
    // A lost attempt may have left a part of its image in the bucket.
    const maxBytes = limits.contextBytes + record.attempt * limits.imageBytes;
    await streams.reserveObject(record.build, image, maxBytes);
    const current = builds.get(record.build);
    if (current?.state === "leased" && current.builder === record.builder) return { v: 1, order: "space-reserved" };
    // If the build ended while the bucket was being created, its end has deleted no bucket, and no later step would.
    if (current === undefined || current.state === "ended") await streams.deleteBucket(record.build);
    return { v: 1, order: "stop", reason: "the build is no longer leased to this builder" };
  }

  /** `broken` is a fault of the builder and counts as its loss; the other outcomes end the build. */
  async end({ build, builder = "" }: BuildRecord, outcome: BuildOutcome): Promise<AgentReply> {
    const { endings, lost } = this.#options;
    if (outcome.kind === "broken") {
      await lost.handleLoss({ build, builder, reason: outcome.reason });
      return { v: 1, order: "stop", reason: "the queue has released this builder" };
    }
    await endings.end(build, finalStateOf(outcome));
    return { v: 1, order: "stop", reason: "the build has ended" };
  }
}

function finalStateOf(outcome: Exclude<BuildOutcome, { kind: "broken" }>): FinalState {
  if (outcome.kind === "succeeded") return { v: 1, state: "succeeded", bytes: outcome.bytes, digest: outcome.digest };
  return { v: 1, state: "failed", exitCode: outcome.exitCode, reason: outcome.reason };
}

/** Ends builds: the record is written first, then the builder is released, the stream is sealed and the bucket deleted. */

import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import type { FinalState } from "../../protocol/build-messages.ts";
import type { BuilderLeases } from "../leases/builders.ts";
import type { Usage } from "../users/usage.ts";
import type { Builds } from "./builds.ts";
import { buildFields } from "./log-fields.ts";
import type { BuildRecord } from "./record.ts";
import type { BuildStreams } from "./streams.ts";
import { buildEnded } from "./transitions.ts";

export interface EndingsOptions {
  readonly builds: Builds;
  readonly streams: BuildStreams;
  readonly builders: BuilderLeases;
  /** Counts each end once. */
  readonly usage: Pick<Usage, "count">;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Endings {
  readonly #options: EndingsOptions;
  /** Ends that are being finished now, by build: the tick finds them unfinished in the records, and must not repeat them. */
  readonly #finishing = new Map<string, Promise<void>>();

  constructor(options: EndingsOptions) {
    this.#options = options;
  }

  /**
   * Ends the build, unless it has ended or `mayEnd` is false of its record. True when this call ended it. Throws when NATS fails; the
   * tick then finishes it.
   */
  async end(build: string, final: FinalState, mayEnd: (record: BuildRecord) => boolean = () => true): Promise<boolean> {
    const { builds, clock, log } = this.#options;
    const record = await builds.change(build, (current) =>
      mayEnd(current) ? buildEnded(current, final, clock.nowMs()) : undefined,
    );
    if (record === undefined) return false;
    log.info({ ...buildFields(record), attempt: record.attempt, final }, "build ended");
    await this.finish(record);
    return true;
  }

  /** Resolves when no end is being finished. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#finishing.values());
  }

  /** Every step after the recorded end. May be repeated: a queue that was killed half way does it again. */
  finish(record: BuildRecord): Promise<void> {
    const known = this.#finishing.get(record.build);
    if (known !== undefined) return known;
    const finishing = this.#finish(record).finally(() => this.#finishing.delete(record.build));
    this.#finishing.set(record.build, finishing);
    return finishing;
  }

  /** Releases the builder first, because a hostile one must not stay leased when its stream cannot be sealed. */
  async #finish(record: BuildRecord): Promise<void> {
    const { builds, streams, builders, usage } = this.#options;
    const { build, builder, pool, final } = record;
    if (final === undefined) return;
    if (builder !== undefined) await builders.dismiss({ pool, builder }, `its build has ${final.state}`);
    await streams.seal(build, final);
    await builds.dropRecipe(build);
    if (final.state !== "succeeded") await this.deleteBucket(build);
    await usage.count(record);
    await builds.change(build, (current) => ({ ...current, announced: true }));
  }

  /**
   * Records that the client has the image. The retention deletes the bucket later while another reader fetches it, and while other
   * requests may get the image.
   */
  async recordReceived(build: string): Promise<void> {
    const record = await this.#options.builds.change(build, (current) => ({ ...current, received: true }));
    if (record?.same === undefined) await this.deleteBucketUnlessRead(build);
  }

  /** Deletes the bucket, unless it has a reader now. */
  async deleteBucketUnlessRead(build: string): Promise<void> {
    if ((await this.#options.streams.bucketReaders(build)) === 0) await this.deleteBucket(build);
  }

  async deleteBucket(build: string): Promise<void> {
    await this.#options.streams.deleteBucket(build);
    await this.#options.builds.change(build, (current) => ({ ...current, bucketDeleted: true }));
  }
}

/** The `leased` state in the stream of a build: once for each attempt. */
import type { BuildRecord } from "../builds/record.ts";
import type { BuildStreams } from "../builds/streams.ts";
import type { BuilderLeases } from "./builders.ts";

export interface LeaseAnnouncementsOptions {
  readonly streams: BuildStreams;
  readonly builders: BuilderLeases;
  readonly buildMs: number;
}

export class LeaseAnnouncements {
  readonly #options: LeaseAnnouncementsOptions;
  /** The last attempt that was announced, by build. Kept in memory, so a restarted queue announces it once more. */
  readonly #attempts = new Map<string, number>();

  constructor(options: LeaseAnnouncementsOptions) {
    this.#options = options;
  }

  /**
   * Called before the agent gets the lease, so that everything after this state in the stream is of this attempt. A queue
   * that is killed in between publishes it when the agent asks again. Throws when NATS does not store it.
   */
  async publish({ build, builder = "", pool, attempt, loss }: BuildRecord): Promise<void> {
    if (this.#attempts.get(build) === attempt) return;
    const { streams, builders, buildMs: limitMs } = this.#options;
    const host = builders.view({ pool, builder })?.host ?? "";
    const lost = loss === undefined ? {} : { lost: loss.reason };
    await streams.publishState(build, { v: 1, state: "leased", attempt, builder, host, limitMs, ...lost });
    this.#attempts.set(build, attempt);
  }

  forgetUnless(isLeased: (build: string) => boolean): void {
    for (const build of [...this.#attempts.keys()]) if (!isLeased(build)) this.#attempts.delete(build);
  }
}

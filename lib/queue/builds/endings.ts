/** How a build ends, whoever ends it: the record decides, the stream tells, the builder goes. */

import type { FinalState } from "../../protocol/build-messages.ts";
import type { QueuePorts } from "../ports.ts";
import type { BuildRecord } from "./record.ts";
import { buildEnded } from "./transitions.ts";

export class Endings {
  readonly #ports: QueuePorts;
  /** Ends being told now: the tick looks for untold ones, and must not tell these twice. */
  readonly #finishing = new Map<string, Promise<void>>();

  constructor(ports: QueuePorts) {
    this.#ports = ports;
  }

  /** Ends the build, unless it has ended. True when this was the end. */
  async end(build: string, final: FinalState): Promise<boolean> {
    const { builds, clock, log } = this.#ports;
    const record = await builds.change(build, (current) => buildEnded(current, final, clock.nowMs()));
    if (record === undefined) return false;
    log.info({ build, user: record.user, attempt: record.attempt, final }, "build ended");
    await this.finish(record);
    return true;
  }

  /** Resolves when no end is being told. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#finishing.values());
  }

  /** What follows from an end. Safe to repeat: a queue that was killed half way does it again. */
  finish(record: BuildRecord): Promise<void> {
    const known = this.#finishing.get(record.build);
    if (known !== undefined) return known;
    const finishing = this.#finish(record).finally(() => this.#finishing.delete(record.build));
    this.#finishing.set(record.build, finishing);
    return finishing;
  }

  /** The builder goes first, whatever else fails: a hostile one must not live on a stream that cannot be closed. */
  async #finish(record: BuildRecord): Promise<void> {
    const { builds, streams } = this.#ports;
    const { build, final } = record;
    if (final === undefined) return;
    await this.#releaseBuilder(record, `its build has ${final.state}`);
    await streams.close(build, final);
    await builds.dropRecipe(build);
    if (final.state !== "succeeded") await this.empty(build);
    await builds.change(build, (current) => ({ ...current, announced: true }));
  }

  async #releaseBuilder({ builder, pool }: BuildRecord, reason: string): Promise<void> {
    if (builder === undefined) return;
    await this.#ports.pools.get(pool)?.release(builder, reason);
    this.#ports.parked.answer(builder, { v: 1, order: "stop", reason });
  }

  /** The image is with its caller. The bucket goes when nobody else is fetching it: the sweep looks again. */
  async received(build: string): Promise<void> {
    await this.#ports.builds.change(build, (current) => ({ ...current, received: true }));
    await this.emptyUnread(build);
  }

  /** Frees what the image takes, unless somebody reads it now. */
  async emptyUnread(build: string): Promise<void> {
    if ((await this.#ports.streams.bucketReaders(build)) === 0) await this.empty(build);
  }

  /** The image is with its caller, or there is none: what it took is freed. */
  async empty(build: string): Promise<void> {
    await this.#ports.streams.deleteBucket(build);
    await this.#ports.builds.change(build, (current) => ({ ...current, emptied: true }));
  }
}

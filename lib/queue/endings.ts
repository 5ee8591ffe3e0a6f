/** How a build ends, whoever ends it: the record decides, the stream tells, the builder goes. */
import type { BuildRecord } from "../build/record.ts";
import { ended } from "../build/transitions.ts";
import type { FinalState } from "../bus/build-messages.ts";
import type { QueuePorts } from "./ports.ts";

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
    const record = await builds.change(build, (current) => ended(current, final, clock.nowMs()));
    if (record === undefined) return false;
    log.info({ build, user: record.user, attempt: record.attempt, final }, "build ended");
    await this.finish(record);
    return true;
  }

  /** What follows from an end. Safe to repeat: a queue that was killed half way does it again. */
  finish(record: BuildRecord): Promise<void> {
    const known = this.#finishing.get(record.build);
    if (known !== undefined) return known;
    const finishing = this.#finish(record).finally(() => this.#finishing.delete(record.build));
    this.#finishing.set(record.build, finishing);
    return finishing;
  }

  async #finish(record: BuildRecord): Promise<void> {
    const { builds, streams, pools, parked } = this.#ports;
    if (record.final === undefined) return;
    if (!record.announced) await streams.close(record.build, record.final);
    await builds.change(record.build, (current) => ({ ...current, announced: true }));
    if (record.builder !== undefined) {
      const reason = `its build has ${record.final.state}`;
      await pools.get(record.pool)?.release(record.builder, reason);
      parked.answer(record.builder, { v: 1, order: "stop", reason });
    }
    await builds.dropRecipe(record.build);
    if (record.final.state !== "succeeded") await this.empty(record.build);
  }

  /** The image is with its caller, or there is none: what it took is freed. */
  async empty(build: string): Promise<void> {
    await this.#ports.streams.deleteBucket(build);
    await this.#ports.builds.change(build, (current) => ({ ...current, emptied: true }));
  }
}

/**
 * Builders that are lost under a build. The build gets a second builder, but not before the first one is confirmed gone:
 * its credential is valid for hours, and an agent that was only frozen would go on writing beside the new one.
 */

import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import { ATTEMPTS_MAX } from "../../protocol/build-messages.ts";
import type { Builds } from "../builds/builds.ts";
import type { Endings } from "../builds/endings.ts";
import { buildFields } from "../builds/log-fields.ts";
import type { BuildRecord, Loss } from "../builds/record.ts";
import { builderLost } from "../builds/transitions.ts";
import type { BuilderLeases } from "./builders.ts";
import type { WaitingBuild } from "./match.ts";

/**
 * How long a build waits until its lost machine is confirmed gone. Clouds delete a machine within seconds, at worst some
 * minutes, and an API that is restarted is back by then. A machine that still exists after that needs an operator. A new
 * build has streams of its own and does not have to wait for it.
 */
const GONE_MAX_MS = 15 * 60_000;

export interface LostBuildersOptions {
  readonly builds: Builds;
  readonly builders: BuilderLeases;
  readonly endings: Endings;
  readonly clock: Clock;
  readonly log: Logger;
}

interface LostLease {
  readonly build: string;
  readonly builder: string;
  /** A part of a sentence. */
  readonly reason: string;
}

export class LostBuilders {
  readonly #options: LostBuildersOptions;
  /** The time of a loss before this start does not count: no queue was running that could have confirmed the end. */
  readonly #startedMs: number;

  constructor(options: LostBuildersOptions) {
    this.#options = options;
    this.#startedMs = options.clock.nowMs();
  }

  /**
   * Puts the build back into the queue or, after its last attempt, ends it as lost. Does nothing when the build is not
   * leased to this builder. The build's record is written first: a queue that is killed after that finds a lease that its
   * build does not know, and gives it back (Leases.reclaim).
   */
  async handleLoss({ build, builder, reason }: LostLease): Promise<void> {
    const { builds, builders, clock, log } = this.#options;
    const record = builds.get(build);
    if (record?.state !== "leased" || record.builder !== builder) return;
    const ref = { pool: record.pool, builder };
    const name = builders.view(ref)?.host || builder;
    const loss: Loss = { builder, atMs: clock.nowMs(), reason: `builder ${name} was lost: ${reason}` };
    if (record.attempt >= ATTEMPTS_MAX) return this.#endAsLost(record, loss);
    const waiting = await builds.change(build, (current) => builderLost(current, loss));
    if (waiting === undefined) return;
    log.warn(
      { ...buildFields(record), attempt: record.attempt, reason },
      "a build lost its builder and waits for another",
    );
    await builders.dismiss(ref, `lost: ${reason}`, "the queue has released this builder");
  }

  /** Finds losses that no event reports, and ends a build when its machine is not confirmed gone. Called at each tick. */
  async check(): Promise<void> {
    await this.#findReleased();
    await this.#endUnconfirmed();
  }

  /** Leased builds of which the pool has released the builder, for any reason. */
  async #findReleased(): Promise<void> {
    const { builds, builders } = this.#options;
    for (const { build, builder = "", pool } of builds.leased()) {
      const state = builders.view({ pool, builder })?.state;
      // The pool's record of a lease is written before the build's, so no such write can still be in flight.
      if (!builders.hasPool(pool) || state === "leased") continue;
      await this.handleLoss({ build, builder, reason: "the pool has released it" });
    }
  }

  async #endUnconfirmed(): Promise<void> {
    const { builds, clock, endings } = this.#options;
    for (const record of builds.waiting()) {
      const { build, loss } = record;
      if (loss === undefined || this.#isGone(record)) continue;
      if (clock.nowMs() - Math.max(loss.atMs, this.#startedMs) < GONE_MAX_MS) continue;
      const reason = `${loss.reason}; its machine could not be confirmed gone within ${GONE_MAX_MS / 60_000} minutes`;
      await endings.end(build, { v: 1, state: "lost", reason });
    }
  }

  /** The waiting builds, the oldest first, each with the reason that it may not be given a builder yet. */
  waiting(): (BuildRecord & WaitingBuild)[] {
    return this.#options.builds.waiting().map((record) => {
      if (record.loss === undefined || this.#isGone(record)) return record;
      return { ...record, awaitsGone: `${record.loss.reason}; waiting until its machine is gone` };
    });
  }

  #isGone({ pool, loss }: BuildRecord): boolean {
    return !this.#options.builders.mayRun({ pool, builder: loss?.builder ?? "" });
  }

  async #endAsLost({ build, loss: first }: BuildRecord, second: Loss): Promise<void> {
    const before = first === undefined ? "" : `${first.reason}; then `;
    await this.#options.endings.end(build, { v: 1, state: "lost", reason: `${before}${second.reason}` });
  }
}

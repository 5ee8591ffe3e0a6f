/** The `queued` state in the streams of waiting builds, published whenever position or reason have changed. */
import type { Logger } from "../../core/log.ts";
import type { Pool } from "../../pool/pool.ts";
import { eachAtMost } from "../../pool/reconciler/limit.ts";
import type { LostBuilders } from "../leases/lost-builders.ts";
import type { Placement } from "../leases/placement.ts";
import type { Builds } from "./builds.ts";
import { type Explanation, explain, type PoolOutlook } from "./explain.ts";
import type { BuildStreams } from "./streams.ts";

export interface WaitingNoticesOptions {
  readonly builds: Builds;
  readonly pools: ReadonlyMap<string, Pool>;
  readonly streams: BuildStreams;
  readonly lost: LostBuilders;
  readonly placement: Placement;
  readonly leasedPerUser: number;
  readonly log: Logger;
}

/** Streams that are written at the same time. */
const CALLS_AT_ONCE = 16;

export class WaitingNotices {
  readonly #options: WaitingNoticesOptions;
  /** The last notice of each build. Kept in memory, so a restarted queue publishes it once more. */
  readonly #published = new Map<string, string>();

  constructor(options: WaitingNoticesOptions) {
    this.#options = options;
  }

  /** The position of each waiting build and the reason why it waits, in the order of the queue. */
  explanations(): Explanation[] {
    const { builds, pools, lost, placement, leasedPerUser } = this.#options;
    const outlooks = [...pools].map(([name, pool]) => outlook(name, pool));
    const input = { waiting: lost.waiting(), pools: outlooks, leasedByUser: builds.leasedByUser(), leasedPerUser };
    return explain(input).map((usual) => ({ ...usual, reason: placement.failureOf(usual.build) ?? usual.reason }));
  }

  /** Also informs each pool of the number of builds that wait for it. Called at each tick. */
  async publish(): Promise<void> {
    const { pools, lost, placement } = this.#options;
    const waiting = lost.waiting();
    for (const [name, pool] of pools) pool.setWaiting(waiting.filter((build) => build.pool === name).length);
    const ids = new Set(waiting.map(({ build }) => build));
    for (const build of [...this.#published.keys()]) if (!ids.has(build)) this.#published.delete(build);
    placement.forgetUnless((build) => ids.has(build));
    const due: Explanation[] = [];
    for (const explanation of this.explanations()) {
      const { build, position, reason } = explanation;
      // A build that joins behind is no news: a long line would get as many notices for each new build as it has builds.
      const notice = `${position} ${reason}`;
      if (this.#published.get(build) === notice) continue;
      this.#published.set(build, notice);
      due.push(explanation);
    }
    // One stream that does not answer takes 5 s, and must not delay the leases of other builds for longer.
    await eachAtMost(due, CALLS_AT_ONCE, (one) => this.#publishOne(one));
  }

  /** A stream that a builder has filled does not keep the notices of the other builds from being published. */
  async #publishOne({ build, position, waiting, reason }: Explanation): Promise<void> {
    const { streams, log } = this.#options;
    try {
      await streams.publishState(build, { v: 1, state: "queued", position, waiting, reason });
    } catch (error) {
      this.#published.delete(build);
      log.warn({ err: error, build }, "the queue position could not be published; the next tick tries again");
    }
  }
}

function outlook(name: string, pool: Pool): PoolOutlook {
  const { booting, active, totalMax, reason, drained } = pool.status();
  return { name, booting: booting.length, leased: active.length, max: totalMax, reason, drained };
}

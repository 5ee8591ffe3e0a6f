/** Gives waiting builds to ready builders. */

import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { Builds } from "../builds/builds.ts";
import type { BuilderLeases } from "./builders.ts";
import type { Leases } from "./leases.ts";
import type { LostBuilders } from "./lost-builders.ts";
import { type MatchInput, match } from "./match.ts";

export interface PlacementOptions {
  readonly builds: Builds;
  readonly builders: BuilderLeases;
  readonly lost: LostBuilders;
  readonly leases: Leases;
  readonly leasedPerUser: number;
  readonly log: Logger;
}

export class Placement {
  readonly #options: PlacementOptions;
  /** Messages of leases that failed, by build. */
  readonly #failures = new Map<string, string>();
  #running = false;
  #requested = false;

  constructor(options: PlacementOptions) {
    this.#options = options;
  }

  /** Starts a pass after an event that may allow a match. Never throws: a failure is logged, and the next tick tries again. */
  request(): void {
    this.pass().catch((error: unknown) =>
      this.#options.log.error({ err: error }, "placing builds failed; the next tick tries again"),
    );
  }

  /** One pass at a time; a call during a pass makes that one start over at its end. */
  async pass(): Promise<void> {
    this.#requested = true;
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#requested) {
        this.#requested = false;
        await this.#options.builds.settle();
        for (const { build, builder } of match(this.#matchInput())) await this.#tryToLease(build, builder);
      }
    } finally {
      this.#running = false;
    }
  }

  /**
   * Whether a free builder is left for a build of this user when those that wait in the pool have one, and each of so many
   * `reservations` that are being made, this one included.
   */
  hasBuilderFor({ user, pool, reservations }: { user: string; pool: string; reservations: number }): boolean {
    const { builds, builders, leasedPerUser } = this.#options;
    const free = builders.free().filter((builder) => builder.pool === pool).length;
    if (free < reservations) return false;
    const waiting = builds.waiting().filter((record) => record.pool === pool).length;
    return free >= waiting + reservations && (builds.leasedByUser().get(user) ?? 0) < leasedPerUser;
  }

  /** The message of the last failed lease of a waiting build, for its caller. */
  failureOf(build: string): string | undefined {
    return this.#failures.get(build);
  }

  forgetUnless(isWaiting: (build: string) => boolean): void {
    for (const build of [...this.#failures.keys()]) if (!isWaiting(build)) this.#failures.delete(build);
  }

  #matchInput(): MatchInput {
    const { builds, builders, lost, leasedPerUser } = this.#options;
    const waiting = lost.waiting().filter(({ build }) => !builds.isInDoubt(build));
    return { waiting, free: builders.free(), leasedByUser: builds.leasedByUser(), leasedPerUser };
  }

  /** A build that cannot be leased does not delay the others. */
  async #tryToLease(build: string, builder: string): Promise<void> {
    try {
      await this.#options.leases.give(build, builder);
      this.#failures.delete(build);
    } catch (error) {
      this.#failures.set(build, messageOf(error));
      this.#options.log.error({ err: error, build, builder }, "a build could not be leased; the next tick tries again");
    }
  }
}

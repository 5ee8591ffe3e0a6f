/** The builds of revoked users: live ones are cancelled, and the images of all are deleted. */

import type { Logger } from "../../core/log.ts";
import type { Builds } from "../builds/builds.ts";
import type { Endings } from "../builds/endings.ts";
import { buildFields } from "../builds/log-fields.ts";
import type { BuildRecord } from "../builds/record.ts";
import type { Users } from "./users.ts";

export interface RevokedBuildsOptions {
  readonly builds: Builds;
  readonly users: Users;
  readonly endings: Endings;
  readonly log: Logger;
}

export class RevokedBuilds {
  readonly #options: RevokedBuildsOptions;

  constructor(options: RevokedBuildsOptions) {
    this.#options = options;
  }

  /**
   * Cancels the builds of that user, and deletes their buckets. After that the credentials of the builds can read the logs
   * in sealed streams, and nothing else. Never throws: a build that fails is logged, does not delay the others, and is
   * tried again by the next tick.
   */
  async cancelBuildsOf(user: string): Promise<void> {
    const { builds, log } = this.#options;
    for (const record of builds.all().filter((build) => build.user === user && !build.bucketDeleted)) {
      try {
        await this.#cancel(record);
      } catch (error) {
        log.error({ err: error, ...buildFields(record) }, "a revoked user's build could not be cancelled yet");
      }
    }
  }

  /** The number of that user's builds that wait or run. */
  countLive(user: string): number {
    return this.#options.builds.all().filter((build) => build.user === user && build.state !== "ended").length;
  }

  /**
   * Cancels the builds of every revoked user. Called at each tick, because a reservation may have been in progress during
   * the revocation, and the queue may have been killed half way.
   */
  async cancelAll(): Promise<void> {
    const { builds, users } = this.#options;
    const owners = new Set(builds.all().flatMap(({ user, bucketDeleted }) => (bucketDeleted ? [] : [user])));
    for (const user of owners) if (users.isRevoked(user)) await this.cancelBuildsOf(user);
  }

  async #cancel({ build, user }: BuildRecord): Promise<void> {
    const { builds, endings } = this.#options;
    const reason = `cancelled, since the user ${user} has been revoked`;
    await endings.end(build, { v: 1, state: "cancelled", reason });
    const record = builds.get(build);
    // The tick may have ended the build first; then its end is still being finished.
    if (record !== undefined && !record.announced) await endings.finish(record);
    if (!builds.get(build)?.bucketDeleted) await endings.deleteBucket(build);
  }
}

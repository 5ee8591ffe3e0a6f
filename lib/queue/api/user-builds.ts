/** `queue.builds`, `queue.attach`, `queue.received`: the builds that a user has made. */

import type { BuildLimits } from "../../config/queue-config.ts";
import type { Clock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";
import type { BuildsReply } from "../../protocol/builds-messages.ts";
import type { BuildCredentials } from "../builds/build-credentials.ts";
import type { Builds } from "../builds/builds.ts";
import type { Endings } from "../builds/endings.ts";
import type { Explanation } from "../builds/explain.ts";
import { ownBuild } from "../builds/own-build.ts";
import { buildEntries, newestFirst } from "./build-entries.ts";

export interface UserBuildsOptions {
  readonly builds: Builds;
  readonly endings: Endings;
  readonly credentials: BuildCredentials;
  readonly limits: Pick<BuildLimits, "buildMs" | "imageKeptMs">;
  readonly clock: Clock;
}

export class UserBuilds {
  readonly #options: UserBuildsOptions;

  constructor(options: UserBuildsOptions) {
    this.#options = options;
  }

  /** The newest first, with the explanation of each build that waits. The retention bounds their number for each user. */
  list(user: string, explanations: readonly Explanation[]): BuildsReply {
    const { builds, clock, limits } = this.#options;
    const own = builds.all().filter((record) => record.user === user);
    const entries = newestFirst(own).map(buildEntries(explanations, limits.imageKeptMs));
    return { v: 1, nowMs: clock.nowMs(), builds: entries };
  }

  /** A credential to follow the build from another terminal. Throws CbError "usage" for an unknown build. */
  attach(user: string, { build, publicKey }: { build: string; publicKey: string }) {
    const { builds, clock, credentials, limits } = this.#options;
    const { leasedAtMs, state, name } = ownBuild(builds, user, build);
    const jwt = credentials.forCaller(build, publicKey);
    const runs = state === "leased" && leasedAtMs !== undefined;
    const left = runs ? { leftMs: Math.max(0, leasedAtMs + limits.buildMs - clock.nowMs()) } : {};
    return { v: 1 as const, jwt, name, ...left };
  }

  /** The client has stored the image. Throws CbError "usage" for an unknown build, or one that has not ended. */
  async received(user: string, { build }: { build: string }): Promise<{ v: 1 }> {
    const { builds, endings } = this.#options;
    const record = ownBuild(builds, user, build);
    if (record.state !== "ended") throw new CbError("usage", `build ${build} has not ended`);
    if (!record.bucketDeleted) await endings.recordReceived(build);
    return { v: 1 };
  }
}

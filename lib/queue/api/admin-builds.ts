/** `admin.list-builds` and `admin.cancel-build`: the builds of all users. */

import type { BuildLimits } from "../../config/queue-config.ts";
import type { Clock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import {
  ADMIN_REASON_MAX_CHARS,
  type AdminBuild,
  type AdminBuildsReply,
  type AdminBuildsRequest,
} from "../../protocol/admin-builds-messages.ts";
import type { BuildEntry } from "../../protocol/builds-messages.ts";
import type { Builds } from "../builds/builds.ts";
import type { Endings } from "../builds/endings.ts";
import type { Explanation } from "../builds/explain.ts";
import { buildFields } from "../builds/log-fields.ts";
import type { BuildRecord } from "../builds/record.ts";
import { buildEntries, newestFirst, stateOf } from "./build-entries.ts";

export interface AdminBuildsOptions {
  readonly builds: Builds;
  readonly endings: Endings;
  readonly limits: Pick<BuildLimits, "imageKeptMs">;
  readonly clock: Clock;
  readonly log: Logger;
}

export class AdminBuilds {
  readonly #options: AdminBuildsOptions;

  constructor(options: AdminBuildsOptions) {
    this.#options = options;
  }

  /** The newest of the builds that match, with the explanation of each build that waits. */
  list(request: AdminBuildsRequest, explanations: readonly Explanation[]): AdminBuildsReply {
    const { builds, clock, limits } = this.#options;
    const matching = newestFirst(builds.all().filter((record) => matches(record, request)));
    const entry = buildEntries(explanations, limits.imageKeptMs);
    const shown = matching.slice(0, request.last).map((record) => ownedEntry(record, entry(record)));
    return { v: 1, nowMs: clock.nowMs(), total: matching.length, builds: shown };
  }

  /** Throws CbError "usage" for a build without a record. */
  async cancel(
    operator: string,
    { build, reason }: { build: string; reason?: string | undefined },
  ): Promise<{ v: 1; user: string; state: string }> {
    const { builds, endings, log } = this.#options;
    const record = builds.get(build);
    if (record === undefined) {
      throw new CbError("usage", `there is no build ${build}`, { hint: "list the builds with: cb-admin builds" });
    }
    const text = `cancelled by the operator ${operator}${reason === undefined ? "" : `: ${reason}`}`;
    const isNew = await endings.end(build, { v: 1, state: "cancelled", reason: text });
    const state = builds.get(build)?.final?.state ?? "gone";
    if (isNew) log.warn({ operator, ...buildFields(record), reason }, "an operator cancelled a build");
    return { v: 1, user: record.user, state };
  }
}

function matches(record: BuildRecord, { user, states, prefix = "" }: AdminBuildsRequest): boolean {
  const isOfUser = user === undefined || record.user === user;
  return isOfUser && record.build.startsWith(prefix) && (states?.includes(stateOf(record)) ?? true);
}

function ownedEntry({ user, pool, builder }: BuildRecord, entry: BuildEntry): AdminBuild {
  const reason = entry.reason.slice(0, ADMIN_REASON_MAX_CHARS);
  return { ...entry, reason, user, pool, ...(builder === undefined ? {} : { builder }) };
}

/** Leases: one build on one builder. The agent gets the lease only as the reply to its own request. */

import type { Clock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { AgentReply, Lease } from "../../protocol/builder-messages.ts";
import type { BuildNeeds, Builds } from "../builds/builds.ts";
import type { Endings } from "../builds/endings.ts";
import { buildFields } from "../builds/log-fields.ts";
import type { BuildRecord } from "../builds/record.ts";
import type { BuildStreams } from "../builds/streams.ts";
import { buildLeased } from "../builds/transitions.ts";
import type { BuilderLeases } from "./builders.ts";
import type { LeaseAnnouncements } from "./lease-announcements.ts";
import type { AgentKeys, LeaseMessages } from "./lease-messages.ts";
import type { ParkedRequests } from "./parked-requests.ts";

/** A lease is sent again to the same builder at most once in this time. */
const REPEAT_MS = 1_000;

export interface LeasesOptions {
  readonly builds: Builds;
  readonly builders: BuilderLeases;
  readonly streams: BuildStreams;
  readonly endings: Endings;
  readonly parked: ParkedRequests;
  readonly announcements: LeaseAnnouncements;
  readonly messages: LeaseMessages;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Leases {
  readonly #options: LeasesOptions;
  /** Builders with a lease that is being written now. */
  readonly #inProgress = new Set<string>();
  /** Time of the last repeated lease, by builder; entries are removed after `REPEAT_MS`. */
  readonly #repeatedAtMs = new Map<string, number>();

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /**
   * Reserves the space for the log, writes the lease to the builder's record, then to the build's, announces it, and
   * replies to the agent. Does nothing when the builder is no longer ready. Throws CbError "infrastructure" when NATS has
   * no storage left or does not answer; `reclaim` then releases the builder if only its own record was written.
   */
  async give(build: string, builder: string): Promise<void> {
    this.#inProgress.add(builder);
    try {
      await this.#give(build, builder);
    } finally {
      this.#inProgress.delete(builder);
    }
  }

  async #give(build: string, builder: string): Promise<void> {
    const { builds, builders, clock, streams, parked, log } = this.#options;
    const ref = { pool: builds.get(build)?.pool ?? "", builder };
    if (!builders.hasPool(ref.pool)) return;
    const image = builders.view(ref)?.builderImage?.id;
    await streams.reserveLog(build);
    if (!(await builders.lease(ref, build))) return;
    const record = await builds.change(build, (current) =>
      current.state === "waiting" ? buildLeased(current, builder, clock.nowMs(), image) : undefined,
    );
    if (record === undefined) return builders.release(ref, "its build was cancelled before it began");
    log.info({ ...buildFields(record), attempt: record.attempt }, "build leased");
    const needs = await this.#announce(record);
    const request = parked.get(builder);
    if (request?.state !== "ready") return;
    const lease = await this.#messageFor(record, needs, request);
    if (lease !== undefined) parked.reply(builder, { v: 1, order: "lease", lease });
  }

  /**
   * The lease once more, for a leased builder when its agent asks for work: the reply with the lease was lost. Undefined when
   * the build is not leased to this builder, or the lease was repeated less than `REPEAT_MS` ago: each costs a signature,
   * and a hostile builder may ask in a loop. If the queue was killed before it announced the lease, it does so now.
   */
  async repeat(build: string, builder: string, keys: AgentKeys): Promise<AgentReply | undefined> {
    const record = this.#options.builds.get(build);
    if (!isLeasedTo(record, builder) || !this.#mayRepeat(builder)) return undefined;
    const lease = await this.#messageFor(record, await this.#announce(record), keys);
    return lease === undefined ? undefined : { v: 1, order: "lease", lease };
  }

  /** Announces the lease, and reads the recipe meanwhile. */
  async #announce(record: BuildRecord): Promise<BuildNeeds | undefined> {
    const { builds, announcements } = this.#options;
    const [needs] = await Promise.all([builds.needs(record.build), announcements.publish(record)]);
    return needs;
  }

  /** Undefined too when the secrets of the build cannot be given to this agent: that ends the build. */
  async #messageFor(record: BuildRecord, needs: BuildNeeds | undefined, keys: AgentKeys): Promise<Lease | undefined> {
    const { messages, endings } = this.#options;
    try {
      return messages.create(record, needs, keys);
    } catch (error) {
      if (!(error instanceof CbError) || error.kind !== "usage") throw error;
      await endings.end(record.build, { v: 1, state: "lost", reason: `${error.message}; start the build again` });
      return undefined;
    }
  }

  #mayRepeat(builder: string): boolean {
    const nowMs = this.#options.clock.nowMs();
    // The absolute value: after the clock steps back, a time in the future would keep the lease from the builder until then.
    for (const [known, atMs] of this.#repeatedAtMs)
      if (Math.abs(nowMs - atMs) >= REPEAT_MS) this.#repeatedAtMs.delete(known);
    if (this.#repeatedAtMs.has(builder)) return false;
    this.#repeatedAtMs.set(builder, nowMs);
    return true;
  }

  /**
   * Releases a builder if its lease is only in the pool's record: the queue was killed, or NATS failed, between the two
   * writes. Called at each tick.
   */
  async reclaim(): Promise<void> {
    const { builds, builders, announcements, log } = this.#options;
    announcements.forgetUnless((build) => builds.get(build)?.state === "leased");
    for (const { pool, builder, build } of builders.leases()) {
      if (this.#inProgress.has(builder) || isLeasedTo(builds.get(build), builder)) continue;
      if (builds.isInDoubt(build)) continue;
      log.warn({ build, builder, pool }, "released a builder: the record of its build has no such lease");
      await builders.release({ pool, builder }, "its build is not leased to it");
    }
  }
}

function isLeasedTo(record: BuildRecord | undefined, builder: string): record is BuildRecord {
  return record?.state === "leased" && record.builder === builder;
}

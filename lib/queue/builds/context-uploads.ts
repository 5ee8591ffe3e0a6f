/** Contexts that are uploaded into the buckets of their builds: completed, or given up when no more bytes arrive. */

import type { Clock } from "../../core/clock.ts";
import { CbError, messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { eachAtMost } from "../../pool/reconciler/limit.ts";
import type { Placement } from "../leases/placement.ts";
import type { QueueEvents } from "../watch/events.ts";
import type { Builds } from "./builds.ts";
import type { Endings } from "./endings.ts";
import { buildFields } from "./log-fields.ts";
import { ownBuild } from "./own-build.ts";
import type { BuildRecord } from "./record.ts";
import type { BuildStreams } from "./streams.ts";
import { contextCompleted } from "./transitions.ts";

/** How often the progress is read: each time costs one request to JetStream for each upload. */
const CHECK_MS = 5_000;
/** Uploads that are checked at the same time. */
const CALLS_AT_ONCE = 16;
/** The most that counts as passed between two checks: a longer time is a clock that was set, or a queue that was paused. */
const PASSED_MAX_MS = 2 * CHECK_MS;

interface Progress {
  readonly bytes: number;
  /** For how long no byte has arrived. */
  readonly idleMs: number;
}

export interface ContextUploadsOptions {
  readonly builds: Builds;
  readonly streams: BuildStreams;
  readonly endings: Endings;
  readonly placement: Placement;
  /** The longest time without a new byte. */
  readonly idleMaxMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events?: QueueEvents | undefined;
}

export class ContextUploads {
  readonly #options: ContextUploadsOptions;
  /** By build. A queue that has just started grants each upload the whole time again. */
  #progress = new Map<string, Progress>();
  #checkedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ContextUploadsOptions) {
    this.#options = options;
  }

  /**
   * `queue.sent.<user>`: the client reports the upload as complete. The queue checks it, because a build without its files
   * would fail an hour later. Throws CbError "usage" for an unknown build or an incomplete upload.
   */
  async sent(user: string, { build }: { build: string }): Promise<{ v: 1 }> {
    const { builds, streams, placement, log, events } = this.#options;
    const record = ownBuild(builds, user, build);
    if (record.state !== "waiting" || !record.awaitsContext) return { v: 1 };
    const context = await streams.objectOf(build, "context");
    if (context === undefined) throw new CbError("usage", `the upload of the context of build ${build} is incomplete`);
    await builds.change(build, contextCompleted);
    log.info({ ...buildFields(record), bytes: context.sizeBytes }, "context upload complete");
    events?.bytesStored("context", context.sizeBytes);
    placement.request();
    return { v: 1 };
  }

  /** Ends a build when its client has stopped sending. Called at each tick. */
  async endStalled(): Promise<void> {
    const { builds, clock } = this.#options;
    const nowMs = clock.nowMs();
    const passedMs = Math.abs(nowMs - this.#checkedAtMs);
    if (passedMs < CHECK_MS) return;
    this.#checkedAtMs = nowMs;
    const progress = new Map<string, Progress>();
    const uploading = builds.waiting().filter(({ awaitsContext }) => awaitsContext);
    await eachAtMost(uploading, CALLS_AT_ONCE, async (record) => {
      const current = await this.#tryToCheck(record, Math.min(passedMs, PASSED_MAX_MS));
      if (current !== undefined) progress.set(record.build, current);
    });
    this.#progress = progress;
  }

  /** No time passes for an upload while its bucket does not answer. */
  async #tryToCheck(record: BuildRecord, passedMs: number): Promise<Progress | undefined> {
    try {
      return await this.#check(record, passedMs);
    } catch (error) {
      this.#options.log.warn({ build: record.build, reason: messageOf(error) }, "an upload cannot be checked");
      return this.#progress.get(record.build);
    }
  }

  /** Undefined when the build was ended. */
  async #check({ build }: BuildRecord, passedMs: number): Promise<Progress | undefined> {
    const { streams, endings, idleMaxMs } = this.#options;
    const before = this.#progress.get(build);
    const bytes = (await streams.bucketBytes(build)) ?? 0;
    if (before === undefined || bytes !== before.bytes) return { bytes, idleMs: 0 };
    const idleMs = before.idleMs + passedMs;
    if (idleMs < idleMaxMs) return { bytes, idleMs };
    const reason = `the upload of its files stopped: no new data for ${Math.round(idleMaxMs / 1000)} s`;
    await endings.end(build, { v: 1, state: "lost", reason });
    return undefined;
  }
}

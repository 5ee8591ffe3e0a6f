/** Ends builds that wait or run for too long, and deletes images, logs and records after their retention. */

import type { BuildLimits } from "../../config/queue-config.ts";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import { eachAtMost } from "../../pool/reconciler/limit.ts";
import type { StorageFigures } from "../../protocol/storage-figures.ts";
import type { Builds } from "../builds/builds.ts";
import type { Endings } from "../builds/endings.ts";
import { buildFields } from "../builds/log-fields.ts";
import type { BuildRecord } from "../builds/record.ts";
import type { BuildStreams } from "../builds/streams.ts";
import type { Claims } from "../reuse/claims.ts";
import { givenUp } from "../reuse/decide.ts";
import type { StorageMonitor } from "../storage/storage-monitor.ts";
import { imageUntilMs, surplusImages } from "./kept-images.ts";

/** The most ended builds that are kept for one user, so that a loop of requests cannot fill the records of all users. */
const KEPT_PER_USER = 200;

/** Builds that are swept at the same time. */
const CALLS_AT_ONCE = 16;

/** The agent ends a build that runs for too long; the queue does so this much later if the agent has not. */
const GRACE_MS = 60_000;

export interface RetentionOptions {
  readonly builds: Builds;
  readonly claims: Claims;
  readonly streams: BuildStreams;
  readonly storage: Pick<StorageMonitor, "figures">;
  readonly endings: Endings;
  readonly limits: BuildLimits;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Retention {
  readonly #options: RetentionOptions;
  #serverId: string | undefined;
  /**
   * Ended builds with streams that are checked for their seal: a power failure of NATS can lose seal and final state although
   * the record of the end survived, and a reader of that stream would wait for ever.
   */
  #unchecked = new Set<string>();
  /** The last report of the storage, which images were given up for already. */
  #figures: StorageFigures | undefined;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /**
   * Does everything that is due. Called at each tick. A build that fails is logged, and delays only those of its own batch: its
   * stream may not answer for 5 s.
   */
  async sweep(): Promise<void> {
    const { builds, clock, log } = this.#options;
    const nowMs = clock.nowMs();
    const surplus = surplusOf(builds.all());
    const images = this.#surplusImages();
    this.#checkSealsAfterRestart();
    await eachAtMost(builds.all(), CALLS_AT_ONCE, async (record) => {
      try {
        if (record.state === "ended") {
          const current = await this.#giveUpImage(record, nowMs, images.has(record.build));
          await this.#sweepEnded(current, nowMs, surplus.has(record.build));
        } else await this.#endOverdue(record, nowMs);
      } catch (error) {
        log.error(
          { err: error, ...buildFields(record) },
          "limits or retention of a build failed; the next tick tries again",
        );
      }
    });
  }

  /** Decided once for each report: the next one shows the space of the images that were given up. */
  #surplusImages(): ReadonlySet<string> {
    const { builds, storage } = this.#options;
    const { figures = this.#figures } = storage;
    if (figures === this.#figures && figures !== undefined) return new Set();
    this.#figures = figures;
    return surplusImages(builds.all(), figures);
  }

  /**
   * From here on no request gets the build: its image is too old or takes too much space, it has none, or another build has its inputs.
   * This is written before the image is deleted, so that a request that was given the image finds it.
   */
  async #giveUpImage(record: BuildRecord, nowMs: number, isSurplus: boolean): Promise<BuildRecord> {
    const { builds, claims, limits } = this.#options;
    const { build, same } = record;
    if (same === undefined) return record;
    const isDue = (current: BuildRecord): boolean =>
      current.final?.state !== "succeeded" ||
      current.bucketDeleted === true ||
      nowMs >= imageUntilMs(current, limits.imageKeptMs) ||
      (isSurplus && current.usedAtMs === record.usedAtMs) ||
      claims.of(same) !== build;
    const changed = await builds.change(build, (current) => (isDue(current) ? givenUp(current) : undefined));
    if (changed === undefined) return builds.get(build) ?? record;
    await claims.release(same, build);
    return changed;
  }

  /** At the first sweep, and when the queue is connected to a nats-server that has started since the last one. */
  #checkSealsAfterRestart(): void {
    const { builds, streams } = this.#options;
    const serverId = streams.serverId();
    if (serverId === undefined || serverId === this.#serverId) return;
    this.#serverId = serverId;
    const announced = builds.all().filter((record) => record.announced);
    this.#unchecked = new Set(announced.map(({ build }) => build));
  }

  async #endOverdue(record: BuildRecord, nowMs: number): Promise<void> {
    const { limits, endings } = this.#options;
    const { waitMs, buildMs } = limits;
    // After a loss the waiting time starts again: the time on the lost builder was no waiting.
    const waitingSinceMs = record.loss?.atMs ?? record.createdAtMs;
    if (record.state === "waiting" && nowMs - waitingSinceMs >= waitMs) {
      const reason = `it waited ${minutes(waitMs)} for a builder, the longest time allowed`;
      await endings.end(record.build, { v: 1, state: "lost", reason });
    }
    if (record.leasedAtMs !== undefined && nowMs - record.leasedAtMs >= buildMs + GRACE_MS) {
      const reason = `it ran for ${minutes(buildMs)}, the longest time allowed`;
      await endings.end(record.build, { v: 1, state: "failed", exitCode: 0, reason });
    }
  }

  async #sweepEnded(record: BuildRecord, nowMs: number, isSurplus: boolean): Promise<void> {
    const { builds, streams, endings, limits, log } = this.#options;
    const ageMs = nowMs - (record.endedAtMs ?? record.createdAtMs);
    if (!record.announced) await endings.finish(record);
    else if (this.#unchecked.has(record.build) && record.final !== undefined) {
      await streams.seal(record.build, record.final);
      this.#unchecked.delete(record.build);
    }
    const isKept = record.same !== undefined || nowMs < imageUntilMs(record, limits.imageKeptMs);
    if (!record.bucketDeleted && !isKept) await endings.deleteBucket(record.build);
    else if (!record.bucketDeleted && record.received && record.same === undefined)
      await endings.deleteBucketUnlessRead(record.build);
    if (ageMs >= limits.recordKeptMs || isSurplus) {
      await streams.deleteAll(record.build);
      await builds.remove(record.build);
      log.info(buildFields(record), "build deleted");
    }
  }
}

/** The oldest ended builds of each user, beyond `KEPT_PER_USER`. */
function surplusOf(records: readonly BuildRecord[]): ReadonlySet<string> {
  const kept = new Map<string, number>();
  const surplus = new Set<string>();
  const ended = records.filter(({ state }) => state === "ended");
  for (const { build, user } of ended.toSorted((a, b) => (b.endedAtMs ?? 0) - (a.endedAtMs ?? 0))) {
    const count = (kept.get(user) ?? 0) + 1;
    kept.set(user, count);
    if (count > KEPT_PER_USER) surplus.add(build);
  }
  return surplus;
}

const minutes = (ms: number): string => `${Math.round(ms / 60_000)} minutes`;

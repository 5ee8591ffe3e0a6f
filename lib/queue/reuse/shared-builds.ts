/**
 * Finds the build that a request may share: one of the same user with the same inputs, which waits, runs, or has an image that is
 * kept. Every step that decides is a write with the revision that it was decided on.
 */

import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import { VERSION } from "../../core/version.ts";
import type { SameBuildReply } from "../../protocol/build-messages.ts";
import type { Compression } from "../../protocol/build-options.ts";
import type { Builds } from "../builds/builds.ts";
import { buildFields } from "../builds/log-fields.ts";
import type { BuildRecord } from "../builds/record.ts";
import type { BuildStreams } from "../builds/streams.ts";
import type { BuilderLeases } from "../leases/builders.ts";
import type { PoolKind } from "../leases/choose-pool.ts";
import { buildKey } from "./build-key.ts";
import type { Claims } from "./claims.ts";
import { CLIENTS_MAX, clientJoined, decideReuse, givenUp, imageUsed } from "./decide.ts";

export interface SharedBuildsOptions {
  readonly builds: Builds;
  readonly claims: Claims;
  readonly streams: Pick<BuildStreams, "bucketReaders" | "objectOf">;
  readonly builders: Pick<BuilderLeases, "images">;
  readonly poolKinds: readonly PoolKind[];
  readonly compression: Compression;
  readonly clock: Clock;
  readonly log: Logger;
}

/** `record` is absent when the build is to be made anew; `anew` then says why, if there was an earlier one. */
export interface FoundBuild {
  readonly record?: BuildRecord;
  readonly anew?: string;
}

export class SharedBuilds {
  readonly #options: SharedBuildsOptions;
  /** The last decision of each key that is in progress. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(options: SharedBuildsOptions) {
    this.#options = options;
  }

  /** At the start: reads the claims, and removes those of builds that are deleted or given up. */
  async load(): Promise<void> {
    const { builds, claims } = this.#options;
    await claims.load();
    for (const { key, build } of claims.entries())
      if (builds.get(build)?.same !== key) await claims.release(key, build);
  }

  keyOf(user: string, digest: string, pool: string): string {
    const { poolKinds, compression } = this.#options;
    const arch = poolKinds.find(({ name }) => name === pool)?.arch ?? "";
    return buildKey({ user, digest, arch, compression, version: VERSION });
  }

  /** Runs `work` when no other decision about the key is in progress, so that a second request finds the build of the first. */
  inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(key) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#turns.set(key, turn);
    const done = () => {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    };
    turn.then(done, done);
    return turn;
  }

  /** Throws CbError "infrastructure" without NATS. */
  async find(key: string, request: string): Promise<FoundBuild> {
    const { builds, claims, builders } = this.#options;
    const record = builds.get(claims.of(key) ?? "");
    if (record?.same !== key) return {};
    const decision = decideReuse(record, this.#imagesOf(record.pool, builders.images(record.pool)));
    if (decision.kind === "anew") return { anew: decision.reason };
    const found =
      decision.kind === "join"
        ? await builds.change(record.build, (current) => clientJoined(current, request))
        : await this.#use(record, key);
    if (found === undefined) return { anew: `${record.build.slice(0, 8)} can no longer be used` };
    this.#options.log.info({ ...buildFields(found), request }, `build shared: ${decision.kind}`);
    return { record: found };
  }

  /** Undefined when the image is not in its bucket, has too many readers, or was given up meanwhile. */
  async #use({ build }: BuildRecord, key: string): Promise<BuildRecord | undefined> {
    const { builds, streams, clock } = this.#options;
    if ((await streams.objectOf(build, "image")) === undefined) return undefined;
    if ((await streams.bucketReaders(build)) >= CLIENTS_MAX) return undefined;
    return builds.change(build, (current) => imageUsed(current, key, clock.nowMs()));
  }

  /** Of a pool without builders, the image of its newest lease counts: a pool may keep no reserve. */
  #imagesOf(pool: string, present: ReadonlySet<string>): ReadonlySet<string> {
    if (present.size > 0) return present;
    const leased = this.#options.builds
      .all()
      .filter((record) => record.pool === pool && record.leasedAtMs !== undefined);
    const newest = leased.toSorted((a, b) => (b.leasedAtMs ?? 0) - (a.leasedAtMs ?? 0))[0]?.builderImage;
    return new Set(newest === undefined ? [] : [newest]);
  }

  /** Later requests with this key get that build. The earlier one is given up. Throws as Claims.take(). */
  async claim(key: string, build: string): Promise<void> {
    const { builds, claims } = this.#options;
    const before = claims.of(key);
    await claims.take(key, build);
    // The retention does it later if this fails.
    if (before !== undefined && before !== build) await builds.change(before, givenUp).catch(() => undefined);
  }

  /** For the client, in the reply to its reservation. */
  replyOf({ state, createdAtMs, leasedAtMs, endedAtMs, awaitsContext }: BuildRecord): SameBuildReply {
    const sinceMs = (state === "ended" ? endedAtMs : leasedAtMs) ?? createdAtMs;
    return {
      state: state === "ended" ? "succeeded" : state,
      ageMs: Math.max(0, this.#options.clock.nowMs() - sinceMs),
      ...(awaitsContext ? { awaitsContext } : {}),
    };
  }
}

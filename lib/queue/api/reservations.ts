/** `queue.reserve` and `queue.cancel`. */
import { randomUUID } from "node:crypto";
import type { BuildLimits } from "../../config/queue-config.ts";
import type { Clock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type {
  CancelReply,
  CancelRequest,
  LeasedContext,
  ReserveReply,
  ReserveRequest,
} from "../../protocol/build-messages.ts";
import { CHUNK_MIN_BYTES } from "../../protocol/fields.ts";
import type { BuildCredentials } from "../builds/build-credentials.ts";
import type { Builds } from "../builds/builds.ts";
import type { Endings } from "../builds/endings.ts";
import { buildFields } from "../builds/log-fields.ts";
import { unknownBuild } from "../builds/own-build.ts";
import type { BuildRecord } from "../builds/record.ts";
import type { BuildStreams } from "../builds/streams.ts";
import { choosePool, type PoolKind } from "../leases/choose-pool.ts";
import type { Drains } from "../leases/drains.ts";
import type { LeaseSecrets } from "../leases/lease-secrets.ts";
import type { Placement } from "../leases/placement.ts";
import { clientLeft, othersOf } from "../reuse/decide.ts";
import type { FoundBuild, SharedBuilds } from "../reuse/shared-builds.ts";
import { admit } from "../storage/admission.ts";
import type { StorageMonitor } from "../storage/storage-monitor.ts";
import type { Quotas } from "../users/quotas.ts";

export interface ReservationsOptions {
  readonly builds: Builds;
  readonly streams: BuildStreams;
  readonly storage: Pick<StorageMonitor, "figures">;
  readonly endings: Endings;
  readonly placement: Placement;
  readonly credentials: BuildCredentials;
  readonly secrets: LeaseSecrets;
  readonly shared: SharedBuilds;
  readonly poolKinds: readonly PoolKind[];
  readonly drains: Pick<Drains, "of">;
  readonly quotas: Pick<Quotas, "refuseUsedUp">;
  readonly limits: Pick<BuildLimits, "contextBytes" | "logBytes" | "waitingPerUser">;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Reserved {
  readonly record: BuildRecord;
  /** The build of an earlier request. */
  readonly isShared?: boolean;
  /** Why an earlier build is not used. */
  readonly anew?: string;
}

const CANCELLED = { v: 1, state: "cancelled", reason: "cancelled by its user" } as const;
/** The other requests then begin a build of their own (docs/protocol.md). */
const SENDER_LEFT = { v: 1, state: "lost", reason: "the client that was sending its files has ended" } as const;
/** A hundred clients that join and leave at once need two. */
const LEAVE_ATTEMPTS_MAX = 5;

export class Reservations {
  readonly #options: ReservationsOptions;
  /** Reservations in progress, by user and request: a repeated request waits for the first one. */
  readonly #inProgress = new Map<string, Promise<Reserved>>();
  /** How many of them make a new build, by user. */
  readonly #adding = new Map<string, number>();

  constructor(options: ReservationsOptions) {
    this.#options = options;
  }

  /**
   * Throws CbError "usage" for a pool that does not exist or a context over the limit, "infrastructure" when the user has too
   * many waiting builds or has used up a quota, or NATS has no storage left, "config" as LeaseSecrets.check(), "unreachable" while the
   * records do not answer.
   */
  async reserve(user: string, request: ReserveRequest): Promise<ReserveReply> {
    const { credentials, shared } = this.#options;
    const { record, isShared, anew } = await this.#reserveOnce(user, request);
    return {
      v: 1,
      build: record.build,
      jwt: credentials.forCaller(record.build, request.publicKey),
      ...(isShared ? { same: shared.replyOf(record) } : {}),
      ...(anew ? { anew } : {}),
    };
  }

  /** `target` is a build, or a request that may still be in progress. Throws CbError "usage" for an unknown build. */
  async cancel(user: string, { target }: CancelRequest): Promise<CancelReply> {
    const { builds, endings } = this.#options;
    const record = target.kind === "build" ? builds.get(target.id) : await this.#ofRequest(user, target.id);
    if (record === undefined || record.user !== user) throw unknownBuild(target.id);
    if (target.kind === "request") {
      const left = await this.#leave(record, target.id);
      if (left !== undefined) return left;
    } else await endings.end(record.build, CANCELLED);
    return { v: 1, state: builds.get(record.build)?.final?.state ?? "gone" };
  }

  /**
   * Ends the build with its last request. Others that wait for it keep it alive, unless it cannot be built without this client: then it
   * is lost for them, and they build anew. Undefined when the build has ended.
   */
  async #leave({ build }: BuildRecord, request: string): Promise<CancelReply | undefined> {
    const { builds, endings } = this.#options;
    const isLast = (record: BuildRecord) => othersOf(record, request).length === 0;
    const isSender = (record: BuildRecord) => record.awaitsContext === true && record.request === request;
    // A client may join or leave between the two writes.
    for (let attempt = 0; attempt < LEAVE_ATTEMPTS_MAX; attempt++) {
      if (await endings.end(build, CANCELLED, isLast)) return undefined;
      if (await endings.end(build, SENDER_LEFT, isSender)) return { v: 1, state: "cancelled" };
      const record = await builds.change(build, (current) => clientLeft(current, request));
      if (record !== undefined) return { v: 1, state: record.state, others: othersOf(record, request).length };
      if (builds.get(build)?.state === "ended") return undefined;
    }
    throw new CbError("infrastructure", `build ${build} is shared and left by others at the moment`, {
      hint: "try again",
    });
  }

  async #ofRequest(user: string, request: string): Promise<BuildRecord | undefined> {
    const reserving = this.#inProgress.get(`${user}/${request}`);
    if (reserving === undefined) return this.#options.builds.ofRequest(user, request);
    return (await reserving.catch(() => undefined))?.record;
  }

  /** No await before the request is in `#inProgress`, because a cancel that follows immediately must find it. */
  #reserveOnce(user: string, request: ReserveRequest): Promise<Reserved> {
    const { builds, placement } = this.#options;
    const key = `${user}/${request.request}`;
    const known = builds.ofRequest(user, request.request);
    const reserving = this.#inProgress.get(key);
    if (reserving !== undefined) return reserving;
    if (known !== undefined) return Promise.resolve({ record: known, isShared: known.request !== request.request });
    const added = this.#shareOrAdd(user, request).finally(() => {
      this.#inProgress.delete(key);
      placement.request();
    });
    this.#inProgress.set(key, added);
    return added;
  }

  async #shareOrAdd(user: string, reservation: ReserveRequest): Promise<Reserved> {
    const { poolKinds, drains, secrets, shared } = this.#options;
    const { recipe, same, request, arch, pool: named } = reservation;
    secrets.check(reservation);
    const requirements = { arch, pool: named, gpu: recipe.options?.gpu };
    const pool = choosePool(poolKinds, requirements, (name) => drains.of(name) !== undefined);
    if (same === undefined) return { record: await this.#addOne(user, reservation, pool) };
    const key = shared.keyOf(user, same.digest, pool);
    return shared.inTurn(key, async () => {
      const { record, anew }: FoundBuild = same.rebuild ? {} : await shared.find(key, request);
      if (record !== undefined) return { record, isShared: true };
      return { record: await this.#addOne(user, reservation, pool, key), ...(anew ? { anew } : {}) };
    });
  }

  async #addOne(user: string, reservation: ReserveRequest, pool: string, key?: string): Promise<BuildRecord> {
    this.#refuseTooMany(user);
    this.#countAdding(user, 1);
    try {
      return await this.#add(user, reservation, pool, key);
    } finally {
      this.#countAdding(user, -1);
    }
  }

  #countAdding(user: string, change: 1 | -1): void {
    const count = (this.#adding.get(user) ?? 0) + change;
    if (count === 0) this.#adding.delete(user);
    else this.#adding.set(user, count);
  }

  async #add(user: string, reservation: ReserveRequest, pool: string, same?: string): Promise<BuildRecord> {
    const { builds, streams, storage, shared, limits, log } = this.#options;
    const { request, name, recipe, context, terminal, secrets, listChunks, rebuildLayers, noCache } = reservation;
    const uploadMaxBytes = this.#uploadMaxBytes(context);
    const { figures } = storage;
    const { logBytes } = limits;
    admit({ figures, contextBytes: uploadMaxBytes ?? 0, logBytes, running: builds.leased().length });
    const record: BuildRecord = {
      v: 1,
      build: randomUUID(),
      user,
      name,
      request,
      backend: recipe.backend,
      ...(terminal === undefined ? {} : { terminal }),
      pool,
      state: "waiting",
      createdAtMs: this.#nextCreatedAtMs(),
      attempt: 0,
      ...(uploadMaxBytes === undefined ? {} : { awaitsContext: true }),
      ...(same === undefined ? {} : { same }),
    };
    const needs = {
      recipe,
      ...(context === undefined ? {} : { context: forBuilder(context) }),
      ...(secrets === undefined ? {} : { secrets }),
      ...(listChunks === undefined ? {} : { listChunks }),
      ...(rebuildLayers === undefined ? {} : { rebuildLayers }),
      ...(noCache === undefined ? {} : { noCache }),
    };
    const startsAtOnce = uploadMaxBytes === undefined && this.#startsAtOnce(user, pool);
    try {
      await allDone([streams.create(record.build, { startsAtOnce }), builds.addRecipe(record.build, needs)]);
      if (uploadMaxBytes !== undefined) await this.#reserveContext(record.build, uploadMaxBytes);
      // Before the record: a claim without a build is replaced by the next request.
      if (same !== undefined) await shared.claim(same, record.build);
      await builds.add(record);
    } catch (error) {
      await this.#undo(record.build);
      throw error;
    }
    log.info({ ...buildFields(record), request, backend: recipe.backend }, "build reserved");
    return record;
  }

  /** Whether a builder is free for the build, beside those for all builds that are ahead of it. */
  #startsAtOnce(user: string, pool: string): boolean {
    const adding = [...this.#adding.values()].reduce((sum, count) => sum + count, 0);
    return this.#options.placement.hasBuilderFor({ user, pool, reservations: adding });
  }

  /** Later than every waiting build, also after the clock was set back: the queue is in the order of these times. */
  #nextCreatedAtMs(): number {
    const { builds, clock } = this.#options;
    const last = builds.waiting().at(-1);
    return last === undefined ? clock.nowMs() : Math.max(clock.nowMs(), last.createdAtMs + 1);
  }

  /** An upper bound of the upload; undefined when the context is in the request. Throws CbError "usage" beyond the limit. */
  #uploadMaxBytes(context: ReserveRequest["context"]): number | undefined {
    if (context?.archive.kind !== "object") return undefined;
    const { contextBytes } = this.#options.limits;
    const { maxBytes } = context.archive;
    if (maxBytes <= contextBytes) return maxBytes;
    throw new CbError("usage", `the context has up to ${maxBytes} bytes; at most ${contextBytes} are allowed here`, {
      hint: "leave files out (.cbignore), or let the recipe fetch them",
    });
  }

  #reserveContext(build: string, bytes: number): Promise<void> {
    const { streams, limits } = this.#options;
    return streams.reserveObject(build, { bytes, chunkBytes: CHUNK_MIN_BYTES }, limits.contextBytes);
  }

  /** Deletes the parts of a failed reservation. If that fails too, the next start of the queue deletes them. */
  async #undo(build: string): Promise<void> {
    await this.#options.streams.deleteAll(build).catch(() => undefined);
    await this.#options.builds.dropRecipe(build).catch(() => undefined);
  }

  #refuseTooMany(user: string): void {
    const { builds, quotas, limits } = this.#options;
    const max = limits.waitingPerUser;
    const inProgress = this.#adding.get(user) ?? 0;
    quotas.refuseUsedUp(user, inProgress);
    const waiting = builds.waiting().filter((record) => record.user === user).length;
    if (waiting + inProgress < max) return;
    throw new CbError("infrastructure", `you have reached the limit of ${max} waiting builds per user`, {
      hint: "wait until some of them have ended, or cancel some",
    });
  }
}

/** Waits for all, so that a failed reservation is undone when none of its parts can appear any more. Throws the first failure. */
async function allDone(works: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(works)) if (result.status === "rejected") throw result.reason;
}

function forBuilder({ archive, ...rest }: NonNullable<ReserveRequest["context"]>): LeasedContext {
  return { ...rest, archive: archive.kind === "inline" ? archive : { kind: "object" } };
}

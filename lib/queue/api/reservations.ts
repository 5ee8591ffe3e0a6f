/** What callers ask: reserve, cancel, received. Each answers for the principal's own builds only. */
import { randomUUID } from "node:crypto";
import { CbError } from "../../core/errors.ts";
import type {
  CancelReply,
  CancelRequest,
  LeasedContext,
  ReserveReply,
  ReserveRequest,
} from "../../protocol/build-messages.ts";
import { CHUNK_MIN_BYTES } from "../../protocol/fields.ts";
import type { Endings } from "../builds/endings.ts";
import type { BuildRecord } from "../builds/record.ts";
import { choosePool } from "../leases/choose-pool.ts";
import { watchingMs } from "../leases/credential-life.ts";
import type { QueuePorts } from "../ports.ts";
import { unknownBuild } from "./own-builds.ts";

export class Reservations {
  readonly #ports: QueuePorts;
  readonly #endings: Endings;
  /** Told when there is a new build to place. */
  readonly #onWaiting: () => void;
  /** Reservations under way, by user and request: a repeat waits for the first. */
  readonly #adding = new Map<string, Promise<BuildRecord>>();

  constructor(ports: QueuePorts, endings: Endings, onWaiting: () => void) {
    this.#ports = ports;
    this.#endings = endings;
    this.#onWaiting = onWaiting;
  }

  async reserve(user: string, question: ReserveRequest): Promise<ReserveReply> {
    const record = await this.#record(user, question);
    const { limits, clock, issuer } = this.#ports;
    const expiresAtMs = clock.nowMs() + watchingMs(limits);
    const jwt = issuer.buildJwt({ build: record.build, role: "caller", publicKey: question.publicKey, expiresAtMs });
    return { v: 1, build: record.build, jwt };
  }

  async cancel(user: string, { target }: CancelRequest): Promise<CancelReply> {
    const record = target.kind === "build" ? this.#ports.builds.get(target.id) : await this.#ofRequest(user, target.id);
    if (record === undefined || record.user !== user) throw unknownBuild(target.id);
    await this.#endings.end(record.build, { v: 1, state: "cancelled", reason: "cancelled by its user" });
    return { v: 1, state: this.#ports.builds.get(record.build)?.final?.state ?? "gone" };
  }

  async received(user: string, { build }: { build: string }): Promise<{ v: 1 }> {
    const record = this.#ports.builds.get(build);
    if (record === undefined || record.user !== user) throw unknownBuild(build);
    if (record.state !== "ended") throw new CbError("usage", `build ${build} has not ended`);
    if (!record.emptied) await this.#endings.received(build);
    return { v: 1 };
  }

  async #ofRequest(user: string, request: string): Promise<BuildRecord | undefined> {
    const adding = this.#adding.get(`${user}/${request}`);
    return adding === undefined ? this.#ports.builds.ofRequest(user, request) : await adding.catch(() => undefined);
  }

  /** Nothing is awaited before the request is noted: a cancel that follows at once must find it. */
  #record(user: string, question: ReserveRequest): Promise<BuildRecord> {
    const key = `${user}/${question.request}`;
    const known = this.#ports.builds.ofRequest(user, question.request);
    const adding = this.#adding.get(key);
    if (adding !== undefined) return adding;
    if (known !== undefined) return Promise.resolve(known);
    const added = this.#add(user, question).finally(() => {
      this.#adding.delete(key);
      this.#onWaiting();
    });
    this.#adding.set(key, added);
    return added;
  }

  async #add(user: string, question: ReserveRequest): Promise<BuildRecord> {
    const { builds, streams, poolKinds, log } = this.#ports;
    this.#refuseTooMany(user);
    const { request, name, recipe, context, terminal } = question;
    const pool = choosePool(poolKinds, question);
    const comingBytes = this.#contextBytes(context);
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
      createdAtMs: this.#nowInLine(),
      attempt: 0,
      ...(comingBytes === undefined ? {} : { awaitsContext: true }),
    };
    try {
      await streams.open(record.build);
      if (comingBytes !== undefined) await this.#makeContextRoom(record.build, comingBytes);
      await builds.add(record, { recipe, ...(context === undefined ? {} : { context: forBuilder(context) }) });
    } catch (error) {
      await this.#undo(record.build);
      throw error;
    }
    log.info({ build: record.build, user, request, backend: recipe.backend }, "build reserved");
    return record;
  }

  /** The line is in the order of these times, so none is earlier than that of who waits, wherever the clock was set. */
  #nowInLine(): number {
    const { builds, clock } = this.#ports;
    const last = builds.waiting().at(-1);
    return last === undefined ? clock.nowMs() : Math.max(clock.nowMs(), last.createdAtMs + 1);
  }

  /** What is to come into the bucket, at most; undefined when nothing is. Throws CbError "usage" beyond the limit. */
  #contextBytes(context: ReserveRequest["context"]): number | undefined {
    if (context?.archive.kind !== "object") return undefined;
    const { contextBytes } = this.#ports.limits;
    const { maxBytes } = context.archive;
    if (maxBytes <= contextBytes) return maxBytes;
    throw new CbError("usage", `the context has up to ${maxBytes} bytes; at most ${contextBytes} are allowed here`, {
      hint: "leave files out (.cbignore), or let the recipe fetch them",
    });
  }

  #makeContextRoom(build: string, bytes: number): Promise<void> {
    const { streams, limits } = this.#ports;
    return streams.makeRoom(build, { bytes, chunkBytes: CHUNK_MIN_BYTES }, limits.contextBytes);
  }

  /** What a reservation left that failed half way; what cannot be undone now, the next start of the queue finds. */
  async #undo(build: string): Promise<void> {
    await this.#ports.streams.deleteAll(build).catch(() => undefined);
    await this.#ports.builds.dropRecipe(build).catch(() => undefined);
  }

  #refuseTooMany(user: string): void {
    const max = this.#ports.limits.waitingPerUser;
    const adding = [...this.#adding.keys()].filter((key) => key.startsWith(`${user}/`)).length;
    const waiting = this.#ports.builds.waiting().filter((record) => record.user === user).length;
    if (waiting + adding < max) return;
    throw new CbError("infrastructure", `${waiting} builds of ${user} are waiting, which is the limit for one user`, {
      hint: "try again when some have been built, or cancel some",
    });
  }
}

function forBuilder({ archive, ...rest }: NonNullable<ReserveRequest["context"]>): LeasedContext {
  return { ...rest, archive: archive.kind === "inline" ? archive : { kind: "object" } };
}

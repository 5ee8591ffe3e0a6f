/** What agents ask, and which build each gets. An order goes out only as the reply to an agent's own question. */

import { CbError, messageOf } from "../../core/errors.ts";
import type { HeartbeatResult } from "../../pool/pool.ts";
import type { FinalState } from "../../protocol/build-messages.ts";
import type { AgentReply, AgentRequest, BuildOutcome, Lease } from "../../protocol/builder-messages.ts";
import type { Terminals } from "../api/terminals.ts";
import type { Endings } from "../builds/endings.ts";
import type { BuildRecord } from "../builds/record.ts";
import { buildLeased } from "../builds/transitions.ts";
import type { QueuePorts } from "../ports.ts";
import { OUTAGE_MS } from "./credential-life.ts";
import type { LostBuilders } from "./lost-builders.ts";
import { match } from "./match.ts";

/** A builder that asks again for the lease it has gets it again after this long, and not sooner. */
const REPEAT_MS = 1_000;

interface LeaseParts {
  readonly endings: Endings;
  readonly lost: LostBuilders;
  readonly terminals: Terminals;
  /** Told when there may be a match; it does not throw. */
  readonly place: () => void;
}

export class Leases {
  readonly #ports: QueuePorts;
  readonly #endings: Endings;
  readonly #lost: LostBuilders;
  readonly #terminals: Terminals;
  /** The attempt whose lease was told of, by build: a restarted queue tells of it once more. */
  readonly #announced = new Map<string, number>();
  #placing = false;
  /** Builders whose lease is being written now. */
  readonly #giving = new Set<string>();
  readonly #held = new Map<string, string>();
  /** When a lease was last repeated, by builder; entries go after a second. */
  readonly #repeatedMs = new Map<string, number>();
  #placeAgain = false;

  readonly #place: () => void;

  constructor(ports: QueuePorts, parts: LeaseParts) {
    this.#ports = ports;
    this.#endings = parts.endings;
    this.#lost = parts.lost;
    this.#terminals = parts.terminals;
    this.#place = parts.place;
  }

  /** The answer to one question; it may take as long as a question is parked. */
  async onAsk(builder: string, ask: AgentRequest): Promise<AgentReply> {
    if (ask.builder !== builder) throw new CbError("usage", `builder ${builder} asks in the name of ${ask.builder}`);
    const heard = await this.#hear(ask);
    if (!heard.alive) return { v: 1, order: "stop", reason: heard.reason };
    if (ask.state === "ready") return this.#onReady(ask, heard.build);
    const record = this.#ports.builds.get(ask.build);
    if (record?.builder !== builder || record.state !== "leased") {
      return { v: 1, order: "stop", reason: `build ${ask.build} is not this builder's` };
    }
    if (ask.state === "storing") return this.#onStoring(record, ask.image);
    if (ask.state === "ended") return this.#onEnded(record, ask.outcome);
    const terminals = this.#terminals;
    return terminals.has(ask.build) ? terminals.orderFor(ask.build) : this.#ports.parked.park(ask);
  }

  /** Gives waiting builds to ready builders. One run at a time; a call during a run makes that one look again. */
  async place(): Promise<void> {
    this.#placeAgain = true;
    if (this.#placing) return;
    this.#placing = true;
    try {
      while (this.#placeAgain) {
        this.#placeAgain = false;
        await this.#ports.builds.settle();
        for (const { build, builder } of match(this.#matchInput())) await this.#tryToGive(build, builder);
      }
    } finally {
      this.#placing = false;
    }
  }

  #matchInput() {
    const { builds, parked, pools, limits } = this.#ports;
    const asking = new Set(parked.ready().map(({ builder }) => builder));
    const free = [...pools].flatMap(([name, pool]) =>
      pool.readyBuilders().flatMap(({ builder }) => (asking.has(builder) ? [{ builder, pool: name }] : [])),
    );
    const { leasedPerUser } = limits;
    const waiting = this.#lost.waiting().filter(({ build }) => !builds.isInDoubt(build));
    return { waiting, free, leasedByUser: builds.leasedByUser(), leasedPerUser };
  }

  /** One build that cannot be placed keeps none of the others waiting. */
  async #tryToGive(build: string, builder: string): Promise<void> {
    this.#giving.add(builder);
    try {
      await this.#give(build, builder);
      this.#held.delete(build);
    } catch (error) {
      this.#held.set(build, messageOf(error));
      this.#ports.log.error({ err: error, build, builder }, "a build could not be leased; the next tick tries again");
    } finally {
      this.#giving.delete(builder);
    }
  }

  async #give(build: string, builder: string): Promise<void> {
    const { builds, pools, clock, streams, parked, log } = this.#ports;
    const pool = pools.get(builds.get(build)?.pool ?? "");
    if (pool === undefined) return;
    await streams.makeLogRoom(build);
    if (!(await pool.lease(builder, build))) return;
    const record = await builds.change(build, (current) =>
      current.state === "waiting" ? buildLeased(current, builder, clock.nowMs()) : undefined,
    );
    if (record === undefined) return pool.release(builder, "its build was cancelled before it began");
    log.info({ build, builder, attempt: record.attempt, user: record.user }, "build leased");
    await this.#announce(record);
    const ask = parked.get(builder);
    if (ask === undefined) return;
    const lease = await this.#leaseOf(record, ask.publicKey);
    if (lease !== undefined) parked.answer(builder, { v: 1, order: "lease", lease });
  }

  /**
   * Tells the caller before the builder begins: what comes after it is of this attempt. A queue that was killed in
   * between tells it when the builder asks again.
   */
  async #announce({ build, builder = "", pool, attempt, loss }: BuildRecord): Promise<void> {
    if (this.#announced.get(build) === attempt) return;
    const { pools, streams, limits } = this.#ports;
    const host = pools.get(pool)?.builder(builder)?.host ?? "";
    const lost = loss === undefined ? {} : { lost: loss.reason };
    await streams.say(build, { v: 1, state: "leased", attempt, builder, host, limitMs: limits.buildMs, ...lost });
    this.#announced.set(build, attempt);
  }

  /**
   * Gives back builders whose lease only one side knows of: the queue was killed, or NATS went away, between the two
   * records. Called again and again.
   */
  async reclaim(): Promise<void> {
    const { builds, pools, log } = this.#ports;
    for (const build of this.#announced.keys()) {
      if (builds.get(build)?.state !== "leased") this.#announced.delete(build);
    }
    for (const pool of pools.values()) {
      for (const { builder, build } of pool.leases()) {
        const record = builds.get(build ?? "");
        if (this.#giving.has(builder) || (record?.state === "leased" && record.builder === builder)) continue;
        if (builds.isInDoubt(build ?? "")) continue;
        log.warn({ builder, build }, "a lease that its build knows nothing of is given back");
        await pool.release(builder, "its build is not leased to it");
      }
    }
  }

  /** Why builds that should have been leased were not, in words for their callers. */
  heldBack(build: string): string | undefined {
    return this.#held.get(build);
  }

  /** Forgets what it held about builds that wait no longer. */
  forgetAllBut(waiting: ReadonlySet<string>): void {
    for (const build of [...this.#held.keys()]) if (!waiting.has(build)) this.#held.delete(build);
  }

  /** What the pools know of the principal; one of them knows it, or none. */
  async #hear(ask: AgentRequest): Promise<HeartbeatResult> {
    let heard: HeartbeatResult = { alive: false, reason: "no such builder" };
    for (const pool of this.#ports.pools.values()) {
      heard =
        ask.state === "ready"
          ? await pool.heartbeat(ask.builder, "idle", ask.builderImage)
          : await pool.heartbeat(ask.builder, "busy");
      if (heard.alive) return heard;
    }
    return heard;
  }

  /**
   * A builder that is leased already and asks for work lost its lease on the way: it gets it again, at most once a
   * second, since each costs a signature and somebody in the builder may ask for fun. The queue may have been killed
   * before it told the caller of the lease: then it does so now.
   */
  async #onReady(ask: AgentRequest, build: string | undefined): Promise<AgentReply> {
    const record = build === undefined ? undefined : this.#ports.builds.get(build);
    if (record?.builder === ask.builder && record.state === "leased" && this.#mayRepeat(ask.builder)) {
      await this.#announce(record);
      const lease = await this.#leaseOf(record, ask.publicKey);
      if (lease !== undefined) return { v: 1, order: "lease", lease };
    }
    const answer = this.#ports.parked.park(ask);
    if (build === undefined) this.#place();
    return answer;
  }

  #mayRepeat(builder: string): boolean {
    const nowMs = this.#ports.clock.nowMs();
    // Also when the clock was set back: a builder must not wait for its lease until that time has come again.
    for (const [known, atMs] of this.#repeatedMs)
      if (Math.abs(nowMs - atMs) >= REPEAT_MS) this.#repeatedMs.delete(known);
    if (this.#repeatedMs.has(builder)) return false;
    this.#repeatedMs.set(builder, nowMs);
    return true;
  }

  async #leaseOf(record: BuildRecord, publicKey: string): Promise<Lease | undefined> {
    const { builds, poolKinds, issuer, clock, limits, plainHttpRegistries } = this.#ports;
    const needs = await builds.needs(record.build);
    const kind = poolKinds.find(({ name }) => name === record.pool);
    if (needs === undefined || kind === undefined) return undefined;
    const { build, attempt, terminal } = record;
    const expiresAtMs = clock.nowMs() + limits.buildMs + OUTAGE_MS;
    return {
      build,
      attempt,
      jwt: issuer.buildJwt({ build, role: "agent", publicKey, expiresAtMs }),
      recipe: needs.recipe,
      arch: kind.arch,
      ...(needs.context === undefined ? {} : { context: needs.context }),
      ...(terminal === undefined ? {} : { terminal }),
      plainHttpRegistries: [...plainHttpRegistries],
      limits: { buildMs: limits.buildMs, logBytes: limits.logBytes, imageBytes: limits.imageBytes },
    };
  }

  async #onStoring(record: BuildRecord, image: { bytes: number; chunkBytes: number }): Promise<AgentReply> {
    const { limits, streams } = this.#ports;
    if (image.bytes > limits.imageBytes) {
      const reason = `the image has ${image.bytes} bytes; at most ${limits.imageBytes} are allowed`;
      await this.#endings.end(record.build, { v: 1, state: "failed", exitCode: 0, reason });
      return { v: 1, order: "stop", reason };
    }
    // A lost attempt may have left its image half way.
    const maxBytes = limits.contextBytes + record.attempt * limits.imageBytes;
    await streams.makeRoom(record.build, image, maxBytes);
    const now = this.#ports.builds.get(record.build);
    if (now?.state === "leased" && now.builder === record.builder) return { v: 1, order: "space-reserved" };
    // If it ended while the bucket was being made, nobody would look for that any more.
    if (now === undefined || now.state === "ended") await streams.deleteBucket(record.build);
    return { v: 1, order: "stop", reason: "the build is not this builder's any more" };
  }

  async #onEnded(record: BuildRecord, outcome: BuildOutcome): Promise<AgentReply> {
    const { build, builder = "" } = record;
    if (outcome.kind === "broken") {
      await this.#lost.lose({ build, builder, reason: outcome.reason });
      return { v: 1, order: "stop", reason: "this builder has been given up" };
    }
    await this.#endings.end(build, finalOf(outcome));
    return { v: 1, order: "stop", reason: "the build has ended" };
  }
}

function finalOf(outcome: Exclude<BuildOutcome, { kind: "broken" }>): FinalState {
  if (outcome.kind === "succeeded") return { v: 1, state: "succeeded", bytes: outcome.bytes, digest: outcome.digest };
  return { v: 1, state: "failed", exitCode: outcome.exitCode, reason: outcome.reason };
}

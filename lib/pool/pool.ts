/**
 * The door of this room: what the queue may ask of a pool and must tell it. The queue leases and releases, says what it
 * hears from agents, and learns of leased builders that will not finish; the pool does the rest by itself.
 */

import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { type KvStore, StaleWriteError } from "../nats/jetstream/kv.ts";
import type { BuilderImage } from "../protocol/builder-image.ts";
import type { Provider } from "../provider/provider.ts";
import { otherGenerationMachine } from "./other-generation.ts";
import type { GoneEvent, LostEvent } from "./reconciler/executor.ts";
import { limited } from "./reconciler/limit.ts";
import { type Preview, Reconciler } from "./reconciler/loop.ts";
import type { StoredBuilder } from "./reconciler/observation.ts";
import type { PoolPolicy } from "./reconciler/policy.ts";
import { type Failure, Failures } from "./state/failures.ts";
import type { Journal } from "./state/journal.ts";
import type { BuilderRecord, BuilderState } from "./state/record.ts";
import { Slots } from "./state/slots.ts";
import { generationOf, RecordStore } from "./state/store.ts";
import { leased, ready, released } from "./state/transitions.ts";
import { type BuilderView, type PoolStatus, viewOf, viewsOf } from "./views.ts";

export interface PoolParts {
  readonly builderKeys: KvStore;
  readonly slotKeys: KvStore;
  readonly journal: Journal;
  /** Calls back at each lifecycle event until the function it returns is called. */
  readonly events: (wake: () => void) => () => void;
  readonly provider: Provider;
  readonly policy: PoolPolicy;
  readonly installation: string;
  /** See Hands.userDataFor. */
  readonly userDataFor: (builder: string) => Promise<string>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly newId: () => string;
}

/** What an agent says of itself when it asks: `idle` is fit for a lease. */
export type AgentState = "idle" | "busy";

/** Whether a question is to be answered. `alive: false`: refuse it, the builder is unknown, or has been given up. */
export type HeartbeatResult =
  | { readonly alive: true; readonly state: BuilderState; readonly build: string | undefined }
  | { readonly alive: false; readonly reason: string };

/** A write that lost is decided anew this often; more is no accident. */
const RELEASE_TRIES = 5;

export class Pool {
  readonly #parts: PoolParts;
  readonly #store: RecordStore;
  readonly #reconciler: Reconciler;
  readonly #lastHeartbeatMs = new Map<string, number>();
  readonly #lostListeners = new Set<(event: LostEvent) => void>();
  readonly #goneListeners = new Set<(event: GoneEvent) => void>();
  readonly #failures = new Failures();
  readonly #stopping = new AbortController();
  #endEvents: (() => void) | undefined;
  #waiting = 0;
  #listeningSinceMs: number | undefined;

  /** Reads the records. Throws CbError "infrastructure" without NATS, "config" on a record that cannot be read. */
  static async open(parts: PoolParts): Promise<Pool> {
    const { log, journal, policy } = parts;
    const store = new RecordStore({ keys: parts.builderKeys, journal, log, pool: policy.pool });
    const slots = new Slots({ keys: parts.slotKeys, log, pool: policy.pool });
    const generation = await generationOf(parts.builderKeys, parts.newId);
    await store.load();
    await slots.load();
    return new Pool(parts, { store, slots, generation });
  }

  private constructor(parts: PoolParts, loaded: { store: RecordStore; slots: Slots; generation: string }) {
    this.#parts = parts;
    this.#store = loaded.store;
    const onLost = (event: LostEvent): void => tellAll(this.#lostListeners, event);
    const onGone = (event: GoneEvent): void => {
      this.#lastHeartbeatMs.delete(event.builder);
      tellAll(this.#goneListeners, event);
    };
    this.#reconciler = new Reconciler(
      { ...parts, ...loaded, onLost, onGone, onFailure: (failure) => this.#failures.add(failure) },
      {
        waiting: () => this.#waiting,
        listeningSinceMs: () => this.#listeningSinceMs,
        lastHeartbeatMs: () => this.#lastHeartbeatMs,
        stoodStill: () => this.setListening(this.#listeningSinceMs !== undefined),
      },
    );
  }

  start(): void {
    this.#endEvents ??= this.#parts.events(() => this.wake("a lifecycle event"));
    this.#reconciler.start();
  }

  /** Some seconds at most. Builders, leases and records stay as they are: the next start takes them up. */
  async stop(): Promise<void> {
    this.#endEvents?.();
    this.#stopping.abort();
    await this.#reconciler.stop();
    await this.#parts.journal.flush();
  }

  /** An event: look soon. */
  wake(reason: string): void {
    this.#reconciler.wake(reason);
  }

  /** One look now, for tests and tools; the running pool looks by itself. */
  async runPass(): Promise<void> {
    await this.#reconciler.runPass();
  }

  /** Questions are heard from now on (subscribed and connected), or no longer: silence counts only while they are. */
  setListening(listening: boolean): void {
    const nowMs = this.#parts.clock.nowMs();
    this.#listeningSinceMs = listening ? nowMs : undefined;
    // Heard before the clock was set back: it would be heard until that time has come again.
    for (const [builder, atMs] of this.#lastHeartbeatMs) this.#lastHeartbeatMs.set(builder, Math.min(atMs, nowMs));
    this.wake("listening");
  }

  /** How many builds wait for a builder of this pool; a build counts until `lease` has returned true for it. */
  setWaiting(builds: number): void {
    if (builds === this.#waiting) return;
    this.#waiting = builds;
    this.wake("waiting");
  }

  /**
   * An agent has asked. Makes a new builder ready when it says `idle`, and notes what it says it was made of; a write that
   * fails shows as the state it still has, and the agent's next question tries again. Never throws.
   */
  async heartbeat(builder: string, agent: AgentState, builderImage?: BuilderImage): Promise<HeartbeatResult> {
    const stored = this.#store.get(builder);
    if (!stored || !isAlive(stored.record)) return refused(stored);
    this.#lastHeartbeatMs.set(builder, this.#parts.clock.nowMs());
    const fresh = stored.record.state === "requested" || stored.record.state === "booting";
    if (fresh && agent === "idle") await this.#makeReady(stored, builderImage);
    const now = this.#store.get(builder);
    if (!now || !isAlive(now.record)) return refused(now);
    return { alive: true, state: now.record.state, build: now.record.build };
  }

  /** The ids of all that there is a record of. */
  builders(): readonly string[] {
    return this.#store.all().map(({ record }) => record.builder);
  }

  /** Ready, and heard by this process; the longest ready first. */
  readyBuilders(): readonly BuilderView[] {
    return viewsOf(this.#store, "ready").filter(({ builder }) => this.#lastHeartbeatMs.has(builder));
  }

  /** Every lease there is. The queue releases those whose build has ended or is unknown to it. */
  leases(): readonly BuilderView[] {
    return viewsOf(this.#store, "leased");
  }

  /** What is known of one builder; undefined when its machine is confirmed gone, or there never was one. */
  builder(id: string): BuilderView | undefined {
    const record = this.#store.get(id)?.record;
    return record === undefined || record.state === "gone" ? undefined : viewOf(record);
  }

  /**
   * Whether its machine may still run: until it is confirmed gone, or where these records have lost it, until no listing
   * shows it.
   */
  mayRun(id: string): boolean {
    return this.builder(id) !== undefined || this.#reconciler.mayList(id);
  }

  /**
   * True: the builder is this build's, and nobody else's. False: it is no longer to be had. Throws CbError
   * "infrastructure" when NATS does not answer and it is not known which; `leases()` shows it later.
   */
  async lease(builder: string, build: string): Promise<boolean> {
    const stored = this.#store.get(builder);
    if (stored?.record.state !== "ready") return false;
    try {
      await this.#store.update(leased(stored.record, build, this.#parts.clock.nowMs()), stored);
      return true;
    } catch (error) {
      const now = this.#store.get(builder);
      // The reply was lost, not the write.
      if (now?.record.state === "leased" && now.record.build === build) return true;
      if (error instanceof StaleWriteError) return false;
      throw error;
    }
  }

  /**
   * No more use for it, leased or not: it is destroyed. Does nothing if it is on its way out already. Throws CbError
   * "infrastructure" when NATS does not answer; call it again.
   */
  async release(builder: string, reason: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      const stored = this.#store.get(builder);
      if (!stored || !isAlive(stored.record)) return;
      try {
        await this.#store.update(released(stored.record, reason, this.#parts.clock.nowMs()), stored);
        return this.wake("released");
      } catch (error) {
        if (!(error instanceof StaleWriteError) || tries >= RELEASE_TRIES) throw error;
      }
    }
  }

  /**
   * A leased builder will not finish: silent too long, or its machine is broken or gone. Said at each look until it is
   * released, so a listener may see it again. Returns what ends the listening.
   */
  onLost(listener: (event: LostEvent) => void): () => void {
    this.#lostListeners.add(listener);
    return () => void this.#lostListeners.delete(listener);
  }

  /** The provider has confirmed that the machine is gone: its build may be leased another. May come twice. */
  onGone(listener: (event: GoneEvent) => void): () => void {
    this.#goneListeners.add(listener);
    return () => void this.#goneListeners.delete(listener);
  }

  /** What a look made now would see and do. Nothing is done, and nothing is remembered of it. */
  preview(): Promise<Preview> {
    return this.#reconciler.preview();
  }

  /** Builders that failed since this process was started, the newest first. */
  failures(): readonly Failure[] {
    return this.#failures.all();
  }

  /** The newest `maxBytes` that the machine printed. Throws CbError "infrastructure", also after `limitMs`. */
  console(builder: string, maxBytes: number, limitMs: number): Promise<Uint8Array> {
    const limit = { clock: this.#parts.clock, signal: this.#stopping.signal, limitMs, what: "the console call" };
    return limited(limit, (cut) => this.#parts.provider.consoleOutput(builder, maxBytes, cut));
  }

  /**
   * Destroys a machine of ours from another generation of records, and no other: this pool's, or that of none of `pools`.
   * False when there is none of that id.
   * Throws CbError "usage" for one that these records are about, "infrastructure" when the provider fails.
   */
  async destroyOtherGeneration(builder: string, pools: ReadonlySet<string>): Promise<boolean> {
    const { clock, policy, provider, log } = this.#parts;
    const { observed: seen } = await this.preview();
    const machine = otherGenerationMachine(builder, seen, { pool: policy.pool, pools });
    if (machine === undefined) return false;
    log.warn({ builder, generation: machine.generation }, "a machine of another generation is destroyed, as asked");
    const limit = { clock, signal: this.#stopping.signal, limitMs: policy.callTimeoutMs, what: "the destroy call" };
    await limited(limit, (cut) => provider.destroy(builder, cut));
    return true;
  }

  status(): PoolStatus {
    const { pool, reserveTarget, totalMax } = this.#parts.policy;
    const reserve = viewsOf(this.#store, "ready");
    return {
      pool,
      reserveTarget,
      totalMax,
      active: viewsOf(this.#store, "leased"),
      reserve,
      booting: viewsOf(this.#store, "requested", "booting"),
      destroying: viewsOf(this.#store, "destroying", "gone"),
      // The latest plan may be older than the builder that has just become ready.
      reason: reserve.length >= reserveTarget + this.#waiting ? "" : this.#reconciler.reason(),
    };
  }

  async #makeReady(stored: StoredBuilder, builderImage: BuilderImage | undefined): Promise<void> {
    try {
      await this.#store.update(ready(stored.record, this.#parts.clock.nowMs(), builderImage), stored);
    } catch (error) {
      const { builder } = stored.record;
      this.#parts.log.warn({ builder, cause: messageOf(error) }, "a builder could not be noted as ready yet");
    }
  }
}

function isAlive(record: BuilderRecord): boolean {
  return record.state !== "destroying" && record.state !== "gone";
}

function refused(stored: StoredBuilder | undefined): HeartbeatResult {
  const reason = stored ? `this builder has been given up: ${stored.record.reason}` : "no such builder";
  return { alive: false, reason };
}

function tellAll<E>(listeners: ReadonlySet<(event: E) => void>, event: E): void {
  for (const listener of listeners) listener(event);
}

/**
 * The public interface of a pool. The queue leases and releases builders, reports the agents' requests as heartbeats,
 * and is notified of leased builders that will not finish. The pool creates, destroys and replaces builders by itself.
 */
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { type KvStore, StaleWriteError } from "../nats/jetstream/kv.ts";
import type { BuilderImage } from "../protocol/builder-image.ts";
import type { Provider } from "../provider/provider.ts";
import { Holds } from "./holds.ts";
import { Machines } from "./machines.ts";
import type { PoolObserver } from "./observer.ts";
import type { ExecutorDependencies, GoneEvent, LostEvent } from "./reconciler/executor.ts";
import { type Preview, Reconciler } from "./reconciler/loop.ts";
import type { StoredBuilder } from "./reconciler/observation.ts";
import type { PoolPolicy } from "./reconciler/policy.ts";
import { type Failure, Failures } from "./state/failures.ts";
import type { Journal } from "./state/journal.ts";
import { type BuilderState, isInService } from "./state/record.ts";
import { generationOf, RecordStore, Slots } from "./state/store.ts";
import { leased, ready, released } from "./state/transitions.ts";
import { type BuilderView, type PoolStatus, poolStatus, usable, viewOf, viewsOf } from "./views.ts";

export interface PoolDependencies {
  readonly builderKeys: KvStore;
  readonly slotKeys: KvStore;
  readonly journal: Journal;
  /** Calls `wake` at each lifecycle event, until the returned function is called. */
  readonly events: (wake: () => void) => () => void;
  readonly provider: Provider;
  readonly policy: PoolPolicy;
  readonly installation: string;
  /** See ExecutorDependencies.userDataFor. */
  readonly userDataFor: (builder: string) => Promise<string>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly newId: () => string;
  readonly observer?: PoolObserver | undefined;
}

/** The state that an agent reports with its request; an `idle` one can take a lease. */
export type AgentState = "idle" | "busy";

/** `alive: false`: the queue refuses the agent's request, because the builder is unknown or has been given up. */
export type HeartbeatResult =
  | { readonly alive: true; readonly state: BuilderState; readonly build: string | undefined }
  | { readonly alive: false; readonly reason: string; readonly isHeld?: true };

type LoadedState = Pick<ExecutorDependencies, "store" | "slots" | "generation">;

export class Pool {
  readonly holds: Holds;
  readonly machines: Machines;
  readonly #dependencies: PoolDependencies;
  readonly #store: RecordStore;
  readonly #reconciler: Reconciler;
  readonly #lastHeartbeatMs = new Map<string, number>();
  readonly #lostListeners = new Set<(event: LostEvent) => void>();
  readonly #goneListeners = new Set<(event: GoneEvent) => void>();
  readonly #failures = new Failures();
  readonly #stopping = new AbortController();
  #endEvents: (() => void) | undefined;
  #waiting = 0;
  #drained: string | undefined;
  #listeningSinceMs: number | undefined;

  /** Reads the records. Throws CbError "infrastructure" without NATS, "config" on a record that cannot be read. */
  static async open(dependencies: PoolDependencies): Promise<Pool> {
    const { log, journal, observer, policy } = dependencies;
    const store = new RecordStore({ keys: dependencies.builderKeys, journal, observer, log, pool: policy.pool });
    const slots = new Slots({ keys: dependencies.slotKeys, log, pool: policy.pool });
    const generation = await generationOf(dependencies.builderKeys, dependencies.newId);
    await store.load();
    await slots.load();
    return new Pool(dependencies, { store, slots, generation });
  }

  private constructor(dependencies: PoolDependencies, loaded: LoadedState) {
    this.#dependencies = dependencies;
    this.#store = loaded.store;
    this.holds = new Holds({ store: loaded.store, clock: dependencies.clock, wake: (reason) => this.wake(reason) });
    const { signal } = this.#stopping;
    this.machines = new Machines({ ...dependencies, observe: async () => (await this.preview()).observed, signal });
    const onLost = (event: LostEvent): void => notifyAll(this.#lostListeners, event);
    const onGone = (event: GoneEvent): void => {
      this.#lastHeartbeatMs.delete(event.builder);
      notifyAll(this.#goneListeners, event);
    };
    this.#reconciler = new Reconciler(
      { ...dependencies, ...loaded, onLost, onGone, onFailure: (failure) => this.#failures.add(failure) },
      {
        waiting: () => this.#waiting,
        drained: () => this.#drained,
        listeningSinceMs: () => this.#listeningSinceMs,
        lastHeartbeatMs: () => this.#lastHeartbeatMs,
        onStandstill: () => this.setListening(this.#listeningSinceMs !== undefined),
      },
    );
  }

  start(): void {
    this.#endEvents ??= this.#dependencies.events(() => this.wake("a lifecycle event"));
    this.#reconciler.start();
  }

  /** Takes some seconds at most. Builders, leases and records stay; the next start continues with them. */
  async stop(): Promise<void> {
    this.#endEvents?.();
    this.#stopping.abort();
    await this.#reconciler.stop();
    await this.#dependencies.journal.flush();
  }

  /** Starts a pass soon, because of an event. */
  wake(reason: string): void {
    this.#reconciler.wake(reason);
  }

  /** Runs one pass now, for tests and tools; a started pool runs its passes by itself. */
  async runPass(): Promise<void> {
    await this.#reconciler.runPass();
  }

  /** Whether the queue receives heartbeats (it is subscribed and connected). Silence counts only while it does. */
  setListening(listening: boolean): void {
    const nowMs = this.#dependencies.clock.nowMs();
    this.#listeningSinceMs = listening ? nowMs : undefined;
    // Clamp timestamps: after the clock steps back, a heartbeat in the future would hide silence.
    for (const [builder, atMs] of this.#lastHeartbeatMs) this.#lastHeartbeatMs.set(builder, Math.min(atMs, nowMs));
    this.wake("listening");
  }

  /** How many builds wait for a builder of this pool. A build counts until `lease` has returned true for it. */
  setWaiting(builds: number): void {
    if (builds === this.#waiting) return;
    this.#waiting = builds;
    this.wake("waiting");
  }

  /** `reason`, a sentence for users: the pool gets no new leases and keeps no reserve; undefined ends that. */
  setDrained(reason: string | undefined): void {
    this.#drained = reason;
    this.wake("drained");
  }

  /**
   * Records a request of an agent. A new builder becomes ready when its agent is `idle`, and its reported image is stored.
   * If that write fails, the result shows the old state, and the agent's next request tries again. Never throws.
   */
  async heartbeat(builder: string, agent: AgentState, builderImage?: BuilderImage): Promise<HeartbeatResult> {
    const stored = this.#store.get(builder);
    if (!stored || !isInService(stored.record)) return refused(stored);
    this.#lastHeartbeatMs.set(builder, this.#dependencies.clock.nowMs());
    const isNew = stored.record.state === "requested" || stored.record.state === "booting";
    if (isNew && agent === "idle") await this.#makeReady(stored, builderImage);
    const now = this.#store.get(builder);
    if (!now || !isInService(now.record)) return refused(now);
    return { alive: true, state: now.record.state, build: now.record.build };
  }

  /** The ids of all builders with a record. */
  builders(): readonly string[] {
    return this.#store.all().map(({ record }) => record.builder);
  }

  /** Builders that may be leased, with a heartbeat since this process was started; the longest ready first. */
  readyBuilders(): readonly BuilderView[] {
    if (this.#drained !== undefined) return [];
    return usable(viewsOf(this.#store, "ready")).filter(({ builder }) => this.#lastHeartbeatMs.has(builder));
  }

  /** All leased builders. The queue releases those of builds that have ended or are unknown to it. */
  leases(): readonly BuilderView[] {
    return viewsOf(this.#store, "leased");
  }

  /** Undefined if there is no record, or if the machine is confirmed gone. */
  builder(id: string): BuilderView | undefined {
    const record = this.#store.get(id)?.record;
    return record === undefined || record.state === "gone" ? undefined : viewOf(record);
  }

  /** Whether the machine may still run. One without a record may run until no listing shows it. */
  mayRun(id: string): boolean {
    return this.builder(id) !== undefined || this.#reconciler.mayList(id);
  }

  /**
   * Returns true if the builder is leased to this build now, false if it is not available. Throws CbError
   * "infrastructure" if NATS does not answer, so that neither is known; `leases()` shows the lease later if it was
   * stored.
   */
  async lease(builder: string, build: string): Promise<boolean> {
    const stored = this.#store.get(builder);
    if (stored?.record.state !== "ready" || stored.record.held || this.#drained !== undefined) return false;
    try {
      await this.#store.update(leased(stored.record, build, this.#dependencies.clock.nowMs()), stored);
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
   * Gives up the builder, leased or not, so that the pool destroys it. Does nothing if it is being destroyed already.
   * Throws CbError "infrastructure" if NATS does not answer; the caller repeats the call then.
   */
  async release(builder: string, reason: string): Promise<void> {
    await this.#store.change(builder, (record) =>
      isInService(record) ? released(record, reason, this.#dependencies.clock.nowMs()) : undefined,
    );
    this.wake("released");
  }

  /**
   * Notifies of a leased builder that will not finish, because it is silent for too long or its machine is broken or
   * gone. Repeated in each pass until the builder is released. Returns a function that ends the notifications.
   */
  onLost(listener: (event: LostEvent) => void): () => void {
    this.#lostListeners.add(listener);
    return () => void this.#lostListeners.delete(listener);
  }

  /** Notifies that the machine is confirmed gone, so that its build may get another. A notification may be repeated. */
  onGone(listener: (event: GoneEvent) => void): () => void {
    this.#goneListeners.add(listener);
    return () => void this.#goneListeners.delete(listener);
  }

  /** Returns the observation and the plan of a pass now, without execution. */
  preview(): Promise<Preview> {
    return this.#reconciler.preview();
  }

  /** Builders that failed since this process was started, the newest first. */
  failures(): readonly Failure[] {
    return this.#failures.all();
  }

  status(): PoolStatus {
    const { policy } = this.#dependencies;
    const wanted = policy.reserveTarget + this.#waiting;
    // The latest plan may be older than a builder that has just become ready.
    const reason = (ready: number) => this.#drained ?? (ready >= wanted ? "" : this.#reconciler.reason());
    return poolStatus(this.#store, { policy, drained: this.#drained, reason });
  }

  async #makeReady(stored: StoredBuilder, builderImage: BuilderImage | undefined): Promise<void> {
    try {
      await this.#store.update(ready(stored.record, this.#dependencies.clock.nowMs(), builderImage), stored);
    } catch (error) {
      const { builder } = stored.record;
      this.#dependencies.log.warn({ builder, cause: messageOf(error) }, "cannot store yet that a builder is ready");
    }
  }
}

function refused(stored: StoredBuilder | undefined): HeartbeatResult {
  const reason = stored ? `this builder has been given up: ${stored.record.reason}` : "no such builder";
  return { alive: false, reason, ...(stored?.record.held && { isHeld: true }) };
}

function notifyAll<E>(listeners: ReadonlySet<(event: E) => void>, event: E): void {
  for (const listener of listeners) listener(event);
}

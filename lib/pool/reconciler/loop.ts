/**
 * The reconciler's loop: observes, plans and executes, one pass at a time. Events only start a pass earlier and their
 * content is ignored; the periodic pass corrects everything that they miss.
 */

import { RefusedError } from "../../provider/provider.ts";
import { type ExecutorDependencies, execute } from "./executor.ts";
import { backoffAfterCreateFailure, delayMs, NO_BACKOFF } from "./memory.ts";
import { type Observation, type ObservedMachines, observeMachines, type PassMemory, type Plan } from "./observation.ts";
import { plan } from "./planner.ts";

/** The queue's part of an observation, read in each pass. */
export interface ReconcilerInputs {
  readonly waiting: () => number;
  readonly drained: () => string | undefined;
  readonly listeningSinceMs: () => number | undefined;
  readonly lastHeartbeatMs: () => ReadonlyMap<string, number>;
  /** Called when this process stood still: it has not processed the heartbeats of that time yet. */
  readonly onStandstill: () => void;
}

export interface Preview {
  readonly observed: Observation;
  readonly plan: Plan;
}

/** A delay longer than this means that the process or its clock stood still; a busy machine delays less. */
const STANDSTILL_MS = 5_000;

/** How long calls may take after `stop` before they are aborted. The records show which steps were done. */
const STOP_GRACE_MS = 5_000;

const NO_MEMORY: PassMemory = { suspects: new Map(), destroyAskedMs: new Map(), backoff: NO_BACKOFF };

export class Reconciler {
  readonly #dependencies: ExecutorDependencies;
  readonly #inputs: ReconcilerInputs;
  readonly #stopping = new AbortController();
  /** Aborts the calls to the provider. */
  readonly #calls = new AbortController();
  /** Aborted to start the next pass. */
  #awake = new AbortController();
  #memory = NO_MEMORY;
  #latestPassMs = 0;
  #failedListings = 0;
  /** Builders in the latest complete listing, of any installation; undefined before the first one. */
  #listed: ReadonlySet<string> | undefined;
  /** Problem of the latest listing; a problem is logged once until it changes. */
  #problem = "";
  /** How long the provider asked not to be listed. */
  #retryAfterMs = 0;
  #pass: Promise<Plan> | undefined;
  #running: Promise<void> | undefined;
  #reason = "the pool has not been checked yet";

  constructor(dependencies: ExecutorDependencies, inputs: ReconcilerInputs) {
    this.#dependencies = dependencies;
    this.#inputs = inputs;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Waits up to 5 s for running calls, then aborts them. Builders stay as they are. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#awake.abort();
    const finished = new AbortController();
    const grace = this.#dependencies.clock.sleep(STOP_GRACE_MS, finished.signal).then(() => this.#calls.abort());
    await Promise.all([this.#running, this.#pass]);
    finished.abort();
    await grace;
  }

  /** Starts a pass soon, because of an event. */
  wake(reason: string): void {
    this.#dependencies.log.trace({ reason }, "an event starts a pass");
    this.#awake.abort();
  }

  /** Runs one pass now and returns its plan. A call during a pass joins that pass. Never throws. */
  runPass(): Promise<Plan> {
    this.#pass ??= this.#runOnePass().finally(() => {
      this.#pass = undefined;
    });
    return this.#pass;
  }

  /**
   * Returns the observation and the plan of a pass now, without execution and without memory of it. Waits for a running
   * pass first, because its unfinished steps would look like faults.
   */
  async preview(): Promise<Preview> {
    await this.#pass;
    const { clock, policy } = this.#dependencies;
    const { error: _, ...listing } = await observeMachines(this.#dependencies, this.#calls.signal);
    const observed = this.#observation(listing);
    return { observed, plan: plan(observed, policy, clock.nowMs()) };
  }

  /** Whether the latest complete listing shows its machine; true before the first one. */
  mayList(builder: string): boolean {
    return this.#listed?.has(builder) ?? true;
  }

  /** `Plan.reason` of the latest plan. */
  reason(): string {
    return this.#reason;
  }

  async #run(): Promise<void> {
    const { clock, policy } = this.#dependencies;
    while (!this.#stopping.signal.aborted) {
      this.#awake = new AbortController();
      const startedMs = clock.nowMs();
      const { nextPassAtMs } = await this.runPass();
      const holdMs = Math.max(delayMs(this.#failedListings, policy.backoff), this.#retryAfterMs);
      await this.#sleepUntil(Math.max(startedMs + policy.minPassGapMs, clock.nowMs() + holdMs), this.#stopping.signal);
      // Bounded by relistMs, because the clock may have been set back since the plan was made.
      await this.#sleepUntil(Math.min(nextPassAtMs, clock.nowMs() + policy.relistMs), this.#awake.signal);
    }
  }

  async #sleepUntil(atMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#dependencies;
    const fromMs = clock.nowMs();
    await clock.sleep(atMs - fromMs, signal);
    this.#detectStandstill(Math.max(atMs, fromMs));
  }

  /**
   * After the clock was set back the memory holds times in the future, so every deadline starts again, as after a
   * restart.
   */
  #detectClockStepBack(): void {
    const beforeMs = this.#latestPassMs;
    this.#latestPassMs = this.#dependencies.clock.nowMs();
    if (this.#latestPassMs >= beforeMs) return;
    this.#memory = NO_MEMORY;
    this.#inputs.onStandstill();
  }

  #detectStandstill(expectedMs: number): void {
    if (this.#dependencies.clock.nowMs() - expectedMs > STANDSTILL_MS) this.#inputs.onStandstill();
  }

  async #runOnePass(): Promise<Plan> {
    const { clock, policy, store, slots, observer } = this.#dependencies;
    await Promise.all([store.settle(), slots.settle()]);
    this.#detectClockStepBack();
    const startedMs = clock.nowMs();
    const listing = await this.#observe();
    this.#detectStandstill(startedMs + policy.callTimeoutMs);
    const decided = plan(this.#observation(listing), policy, clock.nowMs());
    this.#memory = decided.memory;
    this.#reason = decided.reason;
    const report = await execute(decided.actions, this.#dependencies, this.#calls.signal);
    const [failure] = report.createFailures;
    if (failure !== undefined) {
      const backoff = backoffAfterCreateFailure(this.#memory.backoff, failure, policy.backoff, clock.nowMs());
      this.#memory = { ...this.#memory, backoff };
    }
    observer?.passDone(policy.pool, listing.complete);
    const retryAtMs = report.undone > 0 ? clock.nowMs() + policy.pendingMs : Number.POSITIVE_INFINITY;
    return { ...decided, nextPassAtMs: Math.min(decided.nextPassAtMs, retryAtMs) };
  }

  async #observe(): Promise<ObservedMachines> {
    const { log } = this.#dependencies;
    const { error, ...listing } = await observeMachines(this.#dependencies, this.#calls.signal);
    this.#retryAfterMs = error instanceof RefusedError ? (error.retryAfterMs ?? 0) : 0;
    if (error === undefined) this.#failedListings = 0;
    else log.warn({ err: error, failures: ++this.#failedListings }, "the provider cannot be listed");
    const { problem } = listing;
    if (error === undefined && problem !== "" && problem !== this.#problem)
      log.warn({ problem }, "the provider's listing is not complete");
    this.#problem = problem;
    if (listing.complete) this.#listed = new Set(listing.machines.map(({ builder }) => builder));
    return listing;
  }

  #observation(listing: ObservedMachines): Observation {
    const { installation, generation, store, slots } = this.#dependencies;
    return {
      ...listing,
      installation,
      generation,
      records: store.all(),
      slots: slots.all(),
      waiting: this.#inputs.waiting(),
      drained: this.#inputs.drained(),
      listeningSinceMs: this.#inputs.listeningSinceMs(),
      lastHeartbeatMs: this.#inputs.lastHeartbeatMs(),
      memory: this.#memory,
    };
  }
}

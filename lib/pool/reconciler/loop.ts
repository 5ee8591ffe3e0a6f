/**
 * The loop: observe, plan, execute, one look at a time. Events only wake it early and say nothing that it believes; the
 * periodic full look makes it right.
 */

import { RefusedError } from "../../provider/provider.ts";
import { backoffAfterCreateFailure, delayMs, NO_BACKOFF } from "./backoff.ts";
import { type ExecutorDependencies, execute } from "./executor.ts";
import { type ObservedMachines, observeMachines } from "./listing.ts";
import type { Observation, PassMemory, Plan } from "./observation.ts";
import { plan } from "./planner.ts";

/** What the queue hears and knows, read at each look. */
export interface ReconcilerInputs {
  readonly waiting: () => number;
  readonly listeningSinceMs: () => number | undefined;
  readonly lastHeartbeatMs: () => ReadonlyMap<string, number>;
  /** This process stood still: what was asked meanwhile has not been heard yet. */
  readonly stoodStill: () => void;
}

export interface Preview {
  readonly observed: Observation;
  readonly plan: Plan;
}

/** Later than this the process or its clock stood still; a busy machine is late by less. */
const STANDSTILL_MS = 5_000;

/** For what is under way when the loop is stopped; then its calls are cut. The records know how it stood. */
const STOP_GRACE_MS = 5_000;

const NO_MEMORY: PassMemory = { suspects: new Map(), destroyAskedMs: new Map(), backoff: NO_BACKOFF };

export class Reconciler {
  readonly #hands: ExecutorDependencies;
  readonly #hearing: ReconcilerInputs;
  readonly #stopping = new AbortController();
  readonly #cut = new AbortController();
  #awake = new AbortController();
  #memory = NO_MEMORY;
  /** The time at the latest look. */
  #latestMs = 0;
  #failedListings = 0;
  /** The machines of the latest listing that was complete, whoever's they are; undefined before the first. */
  #listed: ReadonlySet<string> | undefined;
  /** Of the latest listing: each is logged once. */
  #problem = "";
  /** How long the provider asked not to be listed. */
  #askedToWaitMs = 0;
  #look: Promise<Plan> | undefined;
  #running: Promise<void> | undefined;
  #why = "the pool has not been looked at yet";

  constructor(hands: ExecutorDependencies, hearing: ReconcilerInputs) {
    this.#hands = hands;
    this.#hearing = hearing;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Waits for what is under way, some seconds at most, and then cuts it. Builders stay as they are. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#awake.abort();
    const finished = new AbortController();
    const grace = this.#hands.clock.sleep(STOP_GRACE_MS, finished.signal).then(() => this.#cut.abort());
    await Promise.all([this.#running, this.#look]);
    finished.abort();
    await grace;
  }

  /** Something happened: look soon. */
  wake(reason: string): void {
    this.#hands.log.trace({ reason }, "the pool is woken");
    this.#awake.abort();
  }

  /** One look, and the plan it carried out. Joins the one under way if there is one. Never throws. */
  runPass(): Promise<Plan> {
    this.#look ??= this.#lookOnce().finally(() => {
      this.#look = undefined;
    });
    return this.#look;
  }

  /**
   * What a look would see and decide if it were made now. Nobody carries it out, and nothing is remembered of it. A look
   * that is under way ends first: half of what it does would look like something to be mended.
   */
  async preview(): Promise<Preview> {
    await this.#look;
    const { clock, policy } = this.#hands;
    const { error: _, ...listing } = await observeMachines(this.#hands, this.#cut.signal);
    const seen = this.#seen(listing);
    return { observed: seen, plan: plan(seen, policy, clock.nowMs()) };
  }

  /** Whether the latest complete listing shows its machine; true before there was one. */
  mayList(builder: string): boolean {
    return this.#listed?.has(builder) ?? true;
  }

  /** The latest plan's sentence; see Plan.why. */
  reason(): string {
    return this.#why;
  }

  async #run(): Promise<void> {
    const { clock, policy } = this.#hands;
    while (!this.#stopping.signal.aborted) {
      this.#awake = new AbortController();
      const startedMs = clock.nowMs();
      const { nextPassAtMs } = await this.runPass();
      const holdMs = Math.max(delayMs(this.#failedListings, policy.backoff), this.#askedToWaitMs);
      await this.#sleepUntil(Math.max(startedMs + policy.minPassGapMs, clock.nowMs() + holdMs), this.#stopping.signal);
      // A clock that was set back meanwhile must not make it sleep until that time has come again.
      await this.#sleepUntil(Math.min(nextPassAtMs, clock.nowMs() + policy.relistMs), this.#awake.signal);
    }
  }

  async #sleepUntil(atMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#hands;
    const fromMs = clock.nowMs();
    await clock.sleep(atMs - fromMs, signal);
    this.#noticeStandstill(Math.max(atMs, fromMs));
  }

  /** A clock that was set back: what is remembered lies in the future, so everything gets its full time, as after a restart. */
  #noticeStepBack(): void {
    const beforeMs = this.#latestMs;
    this.#latestMs = this.#hands.clock.nowMs();
    if (this.#latestMs >= beforeMs) return;
    this.#memory = NO_MEMORY;
    this.#hearing.stoodStill();
  }

  #noticeStandstill(expectedMs: number): void {
    if (this.#hands.clock.nowMs() - expectedMs > STANDSTILL_MS) this.#hearing.stoodStill();
  }

  async #lookOnce(): Promise<Plan> {
    const { clock, policy, store, slots } = this.#hands;
    await Promise.all([store.settle(), slots.settle()]);
    this.#noticeStepBack();
    const startedMs = clock.nowMs();
    const listing = await this.#observe();
    this.#noticeStandstill(startedMs + policy.callTimeoutMs);
    const decided = plan(this.#seen(listing), policy, clock.nowMs());
    this.#memory = decided.memory;
    this.#why = decided.reason;
    const outcome = await execute(decided.actions, this.#hands, this.#cut.signal);
    const [failure] = outcome.createFailures;
    if (failure !== undefined) {
      const backoff = backoffAfterCreateFailure(this.#memory.backoff, failure, policy.backoff, clock.nowMs());
      this.#memory = { ...this.#memory, backoff };
    }
    const againMs = outcome.undone > 0 ? clock.nowMs() + policy.pendingMs : Number.POSITIVE_INFINITY;
    return { ...decided, nextPassAtMs: Math.min(decided.nextPassAtMs, againMs) };
  }

  async #observe(): Promise<ObservedMachines> {
    const { error, ...listing } = await observeMachines(this.#hands, this.#cut.signal);
    this.#askedToWaitMs = error instanceof RefusedError ? (error.retryAfterMs ?? 0) : 0;
    if (error === undefined) this.#failedListings = 0;
    else this.#hands.log.warn({ err: error, failures: ++this.#failedListings }, "the provider cannot be listed");
    const { problem } = listing;
    if (error === undefined && problem !== "" && problem !== this.#problem)
      this.#hands.log.warn({ problem }, "the provider's listing is not complete");
    this.#problem = problem;
    if (listing.complete) this.#listed = new Set(listing.machines.map(({ builder }) => builder));
    return listing;
  }

  #seen(listing: ObservedMachines): Observation {
    const { installation, generation, store, slots } = this.#hands;
    return {
      ...listing,
      installation,
      generation,
      records: store.all(),
      slots: slots.all(),
      waiting: this.#hearing.waiting(),
      listeningSinceMs: this.#hearing.listeningSinceMs(),
      lastHeartbeatMs: this.#hearing.lastHeartbeatMs(),
      memory: this.#memory,
    };
  }
}

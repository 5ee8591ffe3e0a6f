/**
 * The executor: carries out a plan and decides nothing. It stores the intent, calls the provider, and stores the
 * outcome. Each write carries the revision that the plan decided on; if that is stale, the action is skipped and the
 * next pass decides again.
 */

import { randomUUID } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { CbError, messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { StaleWriteError } from "../../nats/jetstream/kv.ts";
import { type Provider, RefusedError } from "../../provider/provider.ts";
import type { PoolObserver } from "../observer.ts";
import type { Failure } from "../state/failures.ts";
import type { RecordStore, Slots } from "../state/store.ts";
import { booting, builderCreateFailed, gone, hosted, markedForDestroy, requested } from "../state/transitions.ts";
import { type CallLimit, eachAtMost, withTimeLimit } from "./limit.ts";
import type { CreateFailure } from "./memory.ts";
import type { Action, Destroy, StoredBuilder } from "./observation.ts";
import type { PoolPolicy } from "./policy.ts";

export interface LostEvent {
  readonly builder: string;
  readonly build: string;
  readonly reason: string;
}

export interface GoneEvent {
  readonly builder: string;
  /** The build that it was leased to, if any. */
  readonly build: string | undefined;
  readonly reason: string;
}

export interface ExecutorDependencies {
  readonly provider: Provider;
  readonly store: RecordStore;
  readonly slots: Slots;
  readonly policy: PoolPolicy;
  readonly installation: string;
  readonly generation: string;
  /**
   * Returns the text that the agent reads when it starts, with its credential (BuilderSpec.userData). Has no time
   * limit.
   */
  readonly userDataFor: (builder: string) => Promise<string>;
  readonly onLost: (event: LostEvent) => void;
  readonly onGone: (event: GoneEvent) => void;
  readonly onFailure: (failure: Failure) => void;
  readonly observer?: PoolObserver | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default `crypto.randomUUID`; a simulation seeds it. */
  readonly newId?: () => string;
}

export interface ExecutionReport {
  /** Failed creates, which make the pool back off. */
  readonly createFailures: readonly CreateFailure[];
  /** How many actions failed or were skipped. */
  readonly undone: number;
}

/** Never throws: a failed action is logged and counted, and the next pass plans it again. */
export async function execute(
  actions: readonly Action[],
  dependencies: ExecutorDependencies,
  signal: AbortSignal,
): Promise<ExecutionReport> {
  const createFailures: CreateFailure[] = [];
  let undone = 0;
  await eachAtMost(actions, dependencies.policy.concurrency, async (action) => {
    try {
      await perform(action, { dependencies, signal });
    } catch (error) {
      undone++;
      const isStale = error instanceof StaleWriteError;
      const { builder, build } = { builder: undefined, build: undefined, ...action };
      dependencies.log[isStale ? "debug" : "warn"](
        { builder, build, action, err: error },
        "an action of the pool's plan failed",
      );
      if (action.kind === "create" && !isStale) createFailures.push(failureOf(error));
    }
  });
  return { createFailures, undone };
}

function failureOf(error: unknown): CreateFailure {
  const { limit, retryAfterMs } = error instanceof RefusedError ? error : {};
  return { message: messageOf(error), ...(limit && { limit }), ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

interface ExecutorCall {
  readonly dependencies: ExecutorDependencies;
  readonly signal: AbortSignal;
}

async function perform(action: Action, call: ExecutorCall): Promise<void> {
  const { dependencies } = call;
  switch (action.kind) {
    case "create":
      return create(action.slot, action.reason, call);
    case "noteMachine":
      return noteMachine(decidedOn(action, dependencies), action.host, dependencies);
    case "destroy":
      return destroy(action, call);
    case "destroyUnrecorded":
      dependencies.log.warn({ builder: action.builder, reason: action.reason }, "destroying an unrecorded machine");
      return callDestroy(action.builder, call);
    case "gone":
      return close(decidedOn(action, dependencies), action.reason, dependencies);
    case "freeSlot":
      return dependencies.slots.free(action);
    case "lost":
      return dependencies.onLost({ builder: action.builder, build: action.build, reason: action.reason });
    case "report":
      dependencies.log.warn(
        { builder: action.builder, reason: action.reason },
        "only the operator may destroy this machine",
      );
  }
}

async function create(slot: number, reason: string, { dependencies, signal }: ExecutorCall): Promise<void> {
  const { clock, policy, store, slots, provider, installation, generation, userDataFor } = dependencies;
  const newId = dependencies.newId ?? randomUUID;
  const [builder, attempt, pool, claimedAtMs] = [newId(), newId(), policy.pool, clock.nowMs()];
  await slots.claim(slot, { v: 1, builder, attempt, claimedAtMs });
  const stored = await store.add(requested({ builder, attempt, pool, slot, reason }, claimedAtMs));
  try {
    // If this process was suspended since the claim, other passes may take the slot for free.
    const checkAge = (graceMs: number): void => {
      if (clock.nowMs() - claimedAtMs > graceMs / 2) throw new CbError("infrastructure", "too late to create");
    };
    checkAge(policy.claimGraceMs);
    const userData = await userDataFor(builder);
    checkAge(policy.createGraceMs);
    const spec = { installation, generation, pool, builder, attempt, userData };
    const limit = limitOf(dependencies, signal, "the create call");
    await withTimeLimit(limit, (callSignal) => provider.create(spec, callSignal));
  } catch (error) {
    await noteCreateFailure(store.get(builder) ?? stored, error, dependencies);
    throw error;
  }
}

/** Does nothing if the agent has sent a request since: the machine exists then. */
async function noteCreateFailure(
  stored: StoredBuilder,
  error: unknown,
  { store }: ExecutorDependencies,
): Promise<void> {
  if (stored.record.state !== "requested") return;
  const isRefused = error instanceof RefusedError;
  await store.update(builderCreateFailed(stored.record, messageOf(error), isRefused), stored);
}

async function noteMachine(stored: StoredBuilder, host: string, { store, clock }: ExecutorDependencies): Promise<void> {
  const { record } = stored;
  const isFirst = record.state === "requested";
  await store.update(isFirst ? booting(record, host, clock.nowMs()) : hosted(record, host), stored);
}

async function destroy(action: Destroy, call: ExecutorCall): Promise<void> {
  const { store, clock } = call.dependencies;
  const stored = decidedOn(action, call.dependencies);
  if (stored.record.state !== "destroying") {
    await store.update(markedForDestroy(stored.record, action.reason, clock.nowMs()), stored);
  }
  if (action.failure) await keepEvidence(action, call);
  if (action.call) await callDestroy(action.builder, call);
}

async function callDestroy(builder: string, { dependencies, signal }: ExecutorCall): Promise<void> {
  const limit = limitOf(dependencies, signal, "the destroy call");
  await withTimeLimit(limit, (callSignal) => dependencies.provider.destroy(builder, callSignal));
}

/**
 * Sets the record to gone before it frees the slot, and removes the record last. If the queue is killed in between, the
 * next pass does the rest.
 */
async function close(decided: StoredBuilder, reason: string, dependencies: ExecutorDependencies): Promise<void> {
  const { store, slots, clock, onGone } = dependencies;
  const isGone = decided.record.state === "gone";
  const stored = isGone ? decided : await store.update(gone(decided.record, reason, clock.nowMs()), decided);
  const { builder, build } = stored.record;
  const slot = slots.get(stored.record.slot);
  if (slot?.builder === builder) await slots.free(slot);
  onGone({ builder, build, reason });
  await store.remove(stored);
}

/** Enough for the last screen of a failed boot. */
const EVIDENCE_MAX_BYTES = 4096;

/**
 * Keeps the machine's console output for the operator before the machine is destroyed. A failure to read it is ignored.
 */
async function keepEvidence(
  { builder, reason, call: isListed }: Destroy,
  { dependencies, signal }: ExecutorCall,
): Promise<void> {
  const { provider, policy, clock, log, onFailure, observer } = dependencies;
  let printed = new Uint8Array();
  if (isListed) {
    const limit = limitOf(dependencies, signal, "the console call");
    const read = (callSignal: AbortSignal) => provider.consoleOutput(builder, EVIDENCE_MAX_BYTES, callSignal);
    const bytes = await withTimeLimit(limit, read).catch(() => printed);
    printed = bytes.slice(-EVIDENCE_MAX_BYTES);
  }
  log.warn({ builder, reason, console: new TextDecoder().decode(printed) }, "a builder failed");
  onFailure({ builder, atMs: clock.nowMs(), reason, printed });
  observer?.builderFailed(policy.pool);
}

/** The record that the plan decided on. Throws StaleWriteError if it has changed since. */
function decidedOn(
  { builder, revision }: { builder: string; revision: number },
  { store }: ExecutorDependencies,
): StoredBuilder {
  const stored = store.get(builder);
  if (stored?.revision !== revision) throw new StaleWriteError(`builder ${builder}`);
  return stored;
}

function limitOf({ clock, policy }: ExecutorDependencies, signal: AbortSignal, operation: string): CallLimit {
  return { clock, signal, operation, limitMs: policy.callTimeoutMs };
}

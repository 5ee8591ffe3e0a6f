/**
 * Does what the plan says and chooses nothing: it writes down the intent, calls the provider, writes down the outcome. Each
 * write carries the revision the plan decided on; where that is stale the action is left, and the next look decides anew.
 */

import { randomUUID } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { CbError, messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { StaleWriteError } from "../../nats/jetstream/kv.ts";
import { type Provider, RefusedError } from "../../provider/provider.ts";
import type { Failure } from "../state/failures.ts";
import type { Slots } from "../state/slots.ts";
import type { RecordStore } from "../state/store.ts";
import { booting, builderCreateFailed, gone, hosted, markedForDestroy, requested } from "../state/transitions.ts";
import type { CreateFailure } from "./backoff.ts";
import { eachAtMost, limited } from "./limit.ts";
import type { Action, Destroy, StoredBuilder } from "./observation.ts";
import type { PoolPolicy } from "./policy.ts";

export interface LostEvent {
  readonly builder: string;
  readonly build: string;
  readonly reason: string;
}

export interface GoneEvent {
  readonly builder: string;
  /** The build it was leased to, if it ever was. */
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
  /** What the agent reads when it starts, with its credential (BuilderSpec.userData); may take its time. */
  readonly userDataFor: (builder: string) => Promise<string>;
  readonly onLost: (event: LostEvent) => void;
  readonly onGone: (event: GoneEvent) => void;
  readonly onFailure: (failure: Failure) => void;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default `crypto.randomUUID`; a simulation seeds it. */
  readonly newId?: () => string;
}

export interface ExecutionReport {
  /** What went wrong with creates: they make the pool back off. */
  readonly createFailures: readonly CreateFailure[];
  /** Actions that did not come through, for whatever reason. */
  readonly undone: number;
}

/** Never throws: what fails is logged, counted, and seen again by the next look. */
export async function execute(
  actions: readonly Action[],
  hands: ExecutorDependencies,
  signal: AbortSignal,
): Promise<ExecutionReport> {
  const createFailures: CreateFailure[] = [];
  let undone = 0;
  await eachAtMost(actions, hands.policy.concurrency, async (action) => {
    try {
      await perform(action, hands, signal);
    } catch (error) {
      undone++;
      const stale = error instanceof StaleWriteError;
      hands.log[stale ? "debug" : "warn"]({ action, err: error }, "an action of the pool's plan did not come through");
      if (action.kind === "create" && !stale) createFailures.push(failureOf(error));
    }
  });
  return { createFailures, undone };
}

function failureOf(error: unknown): CreateFailure {
  const { limit, retryAfterMs } = error instanceof RefusedError ? error : {};
  return { message: messageOf(error), ...(limit && { limit }), ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

async function perform(action: Action, hands: ExecutorDependencies, signal: AbortSignal): Promise<void> {
  switch (action.kind) {
    case "create":
      return create(action.slot, action.reason, { dependencies: hands, signal });
    case "see":
      return see(decidedOn(action, hands), action.host, hands);
    case "destroy":
      return destroy(action, { dependencies: hands, signal });
    case "destroyUnknown":
      hands.log.warn({ builder: action.builder, reason: action.reason }, "an unknown machine is destroyed");
      return callDestroy(action.builder, { dependencies: hands, signal });
    case "gone":
      return close(decidedOn(action, hands), action.reason, hands);
    case "freeSlot":
      return hands.slots.free(action);
    case "lost":
      return hands.onLost({ builder: action.builder, build: action.build, reason: action.reason });
    case "report":
      hands.log.warn({ builder: action.builder, reason: action.reason }, "a machine is left to the operator");
  }
}

interface ExecutorCall {
  readonly dependencies: ExecutorDependencies;
  readonly signal: AbortSignal;
}

async function create(slot: number, reason: string, { dependencies: hands, signal }: ExecutorCall): Promise<void> {
  const { clock, policy, store, installation, generation } = hands;
  const newId = hands.newId ?? randomUUID;
  const [builder, attempt, pool, claimedAtMs] = [newId(), newId(), policy.pool, clock.nowMs()];
  await hands.slots.claim(slot, { v: 1, builder, attempt, claimedAtMs });
  const stored = await store.add(requested({ builder, attempt, pool, slot, reason }, claimedAtMs));
  try {
    // A process that was frozen here must not make a machine in a place that others think free.
    const inTime = (graceMs: number): void => {
      if (clock.nowMs() - claimedAtMs > graceMs / 2) throw new CbError("infrastructure", "too late to create");
    };
    inTime(policy.claimGraceMs);
    const userData = await hands.userDataFor(builder);
    inTime(policy.createGraceMs);
    const spec = { installation, generation, pool, builder, attempt, userData };
    await limited(limitOf(hands, signal, "the create call"), (cut) => hands.provider.create(spec, cut));
  } catch (error) {
    await noteFailure(store.get(builder) ?? stored, error, hands);
    throw error;
  }
}

/** Unless its agent has asked meanwhile: then it was made after all. */
async function noteFailure(stored: StoredBuilder, error: unknown, { store }: ExecutorDependencies): Promise<void> {
  if (stored.record.state !== "requested") return;
  const refused = error instanceof RefusedError;
  await store.update(builderCreateFailed(stored.record, messageOf(error), refused), stored);
}

async function see(stored: StoredBuilder, host: string, { store, clock }: ExecutorDependencies): Promise<void> {
  const { record } = stored;
  await store.update(
    record.state === "requested" ? booting(record, host, clock.nowMs()) : hosted(record, host),
    stored,
  );
}

async function destroy(action: Destroy, grip: ExecutorCall): Promise<void> {
  const { dependencies: hands, signal } = grip;
  const stored = decidedOn(action, hands);
  if (stored.record.state !== "destroying") {
    await hands.store.update(markedForDestroy(stored.record, action.reason, hands.clock.nowMs()), stored);
  }
  if (action.failure) await keepEvidence(action, grip);
  if (action.call) await callDestroy(action.builder, { dependencies: hands, signal });
}

async function callDestroy(builder: string, { dependencies: hands, signal }: ExecutorCall): Promise<void> {
  await limited(limitOf(hands, signal, "the destroy call"), (cut) => hands.provider.destroy(builder, cut));
}

/** The record says gone before its slot is free, and goes last: killed in between, the next look does the rest. */
async function close(decided: StoredBuilder, reason: string, hands: ExecutorDependencies): Promise<void> {
  const { store, slots, clock } = hands;
  const over = decided.record.state === "gone";
  const stored = over ? decided : await store.update(gone(decided.record, reason, clock.nowMs()), decided);
  const { builder, build } = stored.record;
  const slot = slots.get(stored.record.slot);
  if (slot?.builder === builder) await slots.free(slot);
  hands.onGone({ builder, build, reason });
  await store.remove(stored);
}

/** Enough for the last screen of a boot that went wrong. */
const EVIDENCE_MAX_BYTES = 4096;

/** What the machine printed, for the operator, before it is gone; having none is no reason to keep the machine. */
async function keepEvidence(
  { builder, reason, call }: Destroy,
  { dependencies: hands, signal }: ExecutorCall,
): Promise<void> {
  let printed = new Uint8Array();
  if (call) {
    const limit = limitOf(hands, signal, "the console call");
    const read = (cut: AbortSignal) => hands.provider.consoleOutput(builder, EVIDENCE_MAX_BYTES, cut);
    const bytes = await limited(limit, read).catch(() => printed);
    printed = bytes.slice(-EVIDENCE_MAX_BYTES);
  }
  hands.log.warn({ builder, reason, console: new TextDecoder().decode(printed) }, "a builder failed");
  hands.onFailure({ builder, atMs: hands.clock.nowMs(), reason, printed });
}

/** The record as the plan saw it. Throws StaleWriteError if it has changed since. */
function decidedOn(
  { builder, revision }: { builder: string; revision: number },
  { store }: ExecutorDependencies,
): StoredBuilder {
  const stored = store.get(builder);
  if (stored?.revision !== revision) throw new StaleWriteError(`builder ${builder}`);
  return stored;
}

function limitOf({ clock, policy }: ExecutorDependencies, signal: AbortSignal, what: string) {
  return { clock, signal, what, limitMs: policy.callTimeoutMs };
}

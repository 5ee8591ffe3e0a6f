/**
 * Decides what to do about one builder, one unrecorded machine or one slot, from the observation and the time. Pure.
 */

import type { Machine } from "../../provider/provider.ts";
import { type BuilderRecord, isHeld } from "../state/record.ts";
import { isListed, type Matched } from "./matched.ts";
import type { Action, Observation, StoredBuilder } from "./observation.ts";
import type { PoolPolicy } from "./policy.ts";

export interface PlanInput {
  readonly observed: Observation;
  readonly policy: PoolPolicy;
  readonly nowMs: number;
}

/** `machine` is the builder's machine if it is listed. Returns undefined if nothing is to be done. */
export function decide(stored: StoredBuilder, machine: Machine | undefined, input: PlanInput): Action | undefined {
  const { record, revision } = stored;
  const { builder } = record;
  switch (record.state) {
    case "requested":
    case "booting":
    case "ready": {
      if (record.held !== undefined && machine !== undefined) return decideHeld(stored, machine, input);
      const cause = reasonToDestroy(record, machine, input);
      if (cause) return { kind: "destroy", builder, revision, call: machine !== undefined, ...cause };
      return noteMachine(stored, machine);
    }
    case "leased": {
      const reason = machineProblem(record, machine, input) ?? silenceProblem(record, input);
      if (reason) return { kind: "lost", builder, build: record.build ?? "", reason };
      return noteMachine(stored, machine);
    }
    case "destroying":
      if (machine && isHeld(record, input.nowMs)) return undefined;
      return machine ? destroyAgain(stored, input) : confirmGone(stored, input);
    case "gone":
      return { kind: "gone", builder, revision, reason: record.reason };
  }
}

/** A hold keeps a listed machine, whatever is wrong with it. At its end the builder goes, because an operator may have changed it. */
function decideHeld(stored: StoredBuilder, machine: Machine, { nowMs }: PlanInput): Action | undefined {
  const { record, revision } = stored;
  if (isHeld(record, nowMs)) return noteMachine(stored, machine);
  const { builder } = record;
  return { kind: "destroy", builder, revision, call: true, reason: "its hold has ended", failure: false };
}

/**
 * True if a listing that was started after the builder took its state does not show its machine. A state in the future
 * was taken before the clock was set back, so it counts as older than the listing.
 */
export function isAbsent(record: BuilderRecord, machine: Machine | undefined, { observed, nowMs }: PlanInput): boolean {
  const isFromFuture = record.sinceMs > nowMs && observed.observedAtMs <= nowMs;
  return machine === undefined && (record.sinceMs < observed.observedAtMs || isFromFuture);
}

/** True if an earlier listing, at least `confirmMs` older, showed the same mismatch of record and machine. */
function isConfirmed(builder: string, { observed, policy }: PlanInput): boolean {
  const sinceMs = observed.memory.suspects.get(builder);
  return sinceMs !== undefined && observed.observedAtMs - sinceMs >= policy.confirmMs;
}

/** When a silent builder is given up; Infinity while the queue receives no heartbeats. */
export function silenceDeadlineMs(record: BuilderRecord, { observed, policy }: PlanInput): number {
  if (observed.listeningSinceMs === undefined) return Number.POSITIVE_INFINITY;
  const lastMs = observed.lastHeartbeatMs.get(record.builder) ?? record.sinceMs;
  return Math.max(lastMs, observed.listeningSinceMs) + policy.silenceTimeoutMs;
}

/** When a builder without a first heartbeat is given up; Infinity while the queue receives no heartbeats. */
export function bootDeadlineMs(record: BuilderRecord, { observed, policy }: PlanInput): number {
  if (observed.listeningSinceMs === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(record.createdAtMs, observed.listeningSinceMs) + policy.bootTimeoutMs;
}

/** Until then a create may bring up a machine that no listing has shown. */
function graceEndMs(createdAtMs: number, policy: PoolPolicy): number {
  return createdAtMs + policy.createGraceMs;
}

function reasonToDestroy(
  record: BuilderRecord,
  machine: Machine | undefined,
  input: PlanInput,
): { reason: string; failure: boolean } | undefined {
  if (record.state === "requested" && isAbsent(record, machine, input)) {
    // The executor has counted the failed call already.
    if (record.createError !== undefined) return { reason: `its create failed: ${record.createError}`, failure: false };
    if (input.nowMs >= graceEndMs(record.createdAtMs, input.policy)) {
      return {
        reason: `no machine appeared within ${seconds(input.policy.createGraceMs)} of its create`,
        failure: true,
      };
    }
  }
  const problem =
    machineProblem(record, machine, input) ??
    (record.state === "ready" ? silenceProblem(record, input) : bootProblem(record, input));
  return problem === undefined ? undefined : { reason: problem, failure: true };
}

function machineProblem(record: BuilderRecord, machine: Machine | undefined, input: PlanInput): string | undefined {
  if (machine?.status === "error") return `its machine is in error: ${machine.fault ?? "the provider gives no reason"}`;
  if (machine?.status === "destroying") return "its machine is being destroyed, but not by the queue";
  const hasVanished =
    record.state !== "requested" && isAbsent(record, machine, input) && isConfirmed(record.builder, input);
  return hasVanished ? "its machine is gone from the provider's listing" : undefined;
}

function silenceProblem(record: BuilderRecord, input: PlanInput): string | undefined {
  if (input.nowMs < silenceDeadlineMs(record, input)) return undefined;
  return `its agent has not asked for ${seconds(input.policy.silenceTimeoutMs)}`;
}

function bootProblem(record: BuilderRecord, input: PlanInput): string | undefined {
  if (input.nowMs < bootDeadlineMs(record, input)) return undefined;
  return `its agent has not asked within ${seconds(input.policy.bootTimeoutMs)} of its create`;
}

function noteMachine({ record, revision }: StoredBuilder, machine: Machine | undefined): Action | undefined {
  if (!machine) return undefined;
  const host = machine.host === "" ? record.host : machine.host.slice(0, 255);
  if (record.seen && record.state !== "requested" && host === record.host) return undefined;
  return { kind: "noteMachine", builder: record.builder, revision, host, reason: "the provider lists its machine" };
}

function destroyAgain({ record, revision }: StoredBuilder, input: PlanInput): Action | undefined {
  const { builder, reason } = record;
  if (wasAskedToDestroy(builder, input)) return undefined;
  return { kind: "destroy", builder, revision, call: true, reason, failure: false };
}

/** True if the last call to destroy it is younger than `destroyRetryMs`. */
function wasAskedToDestroy(builder: string, { observed, policy, nowMs }: PlanInput): boolean {
  const askedMs = observed.memory.destroyAskedMs.get(builder);
  return askedMs !== undefined && nowMs - askedMs < policy.destroyRetryMs;
}

function confirmGone({ record, revision }: StoredBuilder, input: PlanInput): Action | undefined {
  const { policy, nowMs } = input;
  if (!isAbsent(record, undefined, input)) return undefined;
  const mayAppear = !record.seen && record.refused !== true && nowMs < graceEndMs(record.createdAtMs, policy);
  if (mayAppear) return undefined;
  return { kind: "gone", builder: record.builder, revision, reason: record.reason };
}

/**
 * Decides about a machine of this installation that has no record. One of this generation is destroyed once confirmed.
 * If the generation is another one, the records were lost and a build may run on the machine: it is
 * reported, and only the operator may destroy it.
 */
export function decideUnrecorded(machine: Machine, input: PlanInput): Action | undefined {
  const { builder, generation } = machine;
  const { observed } = input;
  if (generation !== observed.generation) {
    // Reported once: the machine stays until the operator acts, and repeated log lines would hide others.
    if (observed.memory.suspects.has(builder)) return undefined;
    return { kind: "report", builder, reason: `its machine is of another generation of records, ${generation}` };
  }
  if (!isConfirmed(builder, input) || wasAskedToDestroy(builder, input)) return undefined;
  return {
    kind: "destroyUnrecorded",
    builder,
    reason: "its machine is of this installation, and two listings in a row found no record of it",
  };
}

/**
 * Frees slots without a record once their create can no longer have an effect. The record is written before the create
 * call, the call is not made after half of the grace, and the record is removed only after its slot is free.
 */
export function freeOrphanedSlots(matched: Matched, { observed, policy, nowMs }: PlanInput): Action[] {
  return matched.orphanedSlots
    .filter(({ builder }) => !isListed(matched, builder))
    .filter(({ claimedAtMs }) => nowMs >= claimedAtMs + policy.claimGraceMs && claimedAtMs < observed.observedAtMs)
    .map(({ slot, revision }) => ({
      kind: "freeSlot",
      slot,
      revision,
      reason: "it was claimed, but no record followed",
    }));
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

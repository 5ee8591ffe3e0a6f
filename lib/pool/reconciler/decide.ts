/** What is to be done about one builder: its record, its machine if the listing shows one, and the time. */

import type { Machine } from "../../provider/provider.ts";
import type { BuilderRecord } from "../state/record.ts";
import type { Action, Observation, StoredBuilder } from "./observation.ts";
import type { PoolPolicy } from "./policy.ts";

export interface PlanInput {
  readonly observed: Observation;
  readonly policy: PoolPolicy;
  readonly nowMs: number;
}

/** Undefined: leave it as it is. */
export function decide(stored: StoredBuilder, machine: Machine | undefined, look: PlanInput): Action | undefined {
  const { record, revision } = stored;
  const { builder } = record;
  switch (record.state) {
    case "requested":
    case "booting":
    case "ready": {
      const doom = reasonToDestroy(record, machine, look);
      if (doom) return { kind: "destroy", builder, revision, call: machine !== undefined, ...doom };
      return noteHost(stored, machine);
    }
    case "leased": {
      const reason = machineTrouble(record, machine, look) ?? silence(record, look);
      if (reason) return { kind: "lost", builder, build: record.build ?? "", reason };
      return noteHost(stored, machine);
    }
    case "destroying":
      return machine ? destroyAgain(stored, look) : confirmGone(stored, look);
    case "gone":
      return { kind: "gone", builder, revision, reason: record.reason };
  }
}

/**
 * The listing was started after the builder took its state, and does not show it. A state of the future is one from before
 * the clock was set back.
 */
export function isAbsent(
  record: BuilderRecord,
  machine: Machine | undefined,
  { observed: seen, nowMs }: PlanInput,
): boolean {
  const isOfFuture = record.sinceMs > nowMs && seen.observedAtMs <= nowMs;
  return machine === undefined && (record.sinceMs < seen.observedAtMs || isOfFuture);
}

/** The second listing that shows it out of place, and not in one burst with the first. */
export function isConfirmed(builder: string, { observed: seen, policy }: PlanInput): boolean {
  const sinceMs = seen.memory.suspects.get(builder);
  return sinceMs !== undefined && seen.observedAtMs - sinceMs >= policy.confirmMs;
}

/** When a builder that is not heard of is given up; Infinity while nobody listens. */
export function silenceDeadlineMs(record: BuilderRecord, { observed: seen, policy }: PlanInput): number {
  if (seen.listeningSinceMs === undefined) return Number.POSITIVE_INFINITY;
  const heardMs = seen.lastHeartbeatMs.get(record.builder) ?? record.sinceMs;
  return Math.max(heardMs, seen.listeningSinceMs) + policy.silenceTimeoutMs;
}

/** When a builder that has not asked yet is given up; Infinity while nobody listens. */
export function bootDeadlineMs(record: BuilderRecord, { observed: seen, policy }: PlanInput): number {
  if (seen.listeningSinceMs === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(record.createdAtMs, seen.listeningSinceMs) + policy.bootTimeoutMs;
}

/** Until then a create may bring up a machine that no listing has shown. */
function graceEndMs(createdAtMs: number, policy: PoolPolicy): number {
  return createdAtMs + policy.createGraceMs;
}

function reasonToDestroy(
  record: BuilderRecord,
  machine: Machine | undefined,
  look: PlanInput,
): { reason: string; failure: boolean } | undefined {
  if (record.state === "requested" && isAbsent(record, machine, look)) {
    // The failed call was counted when it failed.
    if (record.createError !== undefined) return { reason: `its create failed: ${record.createError}`, failure: false };
    if (look.nowMs >= graceEndMs(record.createdAtMs, look.policy)) {
      return {
        reason: `no machine appeared within ${seconds(look.policy.createGraceMs)} of its create`,
        failure: true,
      };
    }
  }
  const trouble =
    machineTrouble(record, machine, look) ??
    (record.state === "ready" ? silence(record, look) : neverBooted(record, look));
  return trouble === undefined ? undefined : { reason: trouble, failure: true };
}

function machineTrouble(record: BuilderRecord, machine: Machine | undefined, look: PlanInput): string | undefined {
  if (machine?.status === "error")
    return `its machine is in error: ${machine.fault ?? "the provider does not say why"}`;
  if (machine?.status === "destroying") return "its machine is being taken away, and not by us";
  const vanished = record.state !== "requested" && isAbsent(record, machine, look) && isConfirmed(record.builder, look);
  return vanished ? "its machine is gone from the provider's listing" : undefined;
}

function silence(record: BuilderRecord, look: PlanInput): string | undefined {
  if (look.nowMs < silenceDeadlineMs(record, look)) return undefined;
  return `its agent has not asked for ${seconds(look.policy.silenceTimeoutMs)}`;
}

function neverBooted(record: BuilderRecord, look: PlanInput): string | undefined {
  if (look.nowMs < bootDeadlineMs(record, look)) return undefined;
  return `its agent has not asked within ${seconds(look.policy.bootTimeoutMs)} of its create`;
}

function noteHost({ record, revision }: StoredBuilder, machine: Machine | undefined): Action | undefined {
  if (!machine) return undefined;
  const host = machine.host === "" ? record.host : machine.host.slice(0, 255);
  if (record.seen && record.state !== "requested" && host === record.host) return undefined;
  return { kind: "see", builder: record.builder, revision, host, reason: "the provider lists its machine" };
}

function destroyAgain(
  { record, revision }: StoredBuilder,
  { observed: seen, policy, nowMs }: PlanInput,
): Action | undefined {
  const askedMs = seen.memory.destroyAskedMs.get(record.builder);
  if (askedMs !== undefined && nowMs - askedMs < policy.destroyRetryMs) return undefined;
  return { kind: "destroy", builder: record.builder, revision, call: true, reason: record.reason, failure: false };
}

function confirmGone({ record, revision }: StoredBuilder, look: PlanInput): Action | undefined {
  const { policy, nowMs } = look;
  if (!isAbsent(record, undefined, look)) return undefined;
  const mayAppear = !record.seen && record.refused !== true && nowMs < graceEndMs(record.createdAtMs, policy);
  if (mayAppear) return undefined;
  return { kind: "gone", builder: record.builder, revision, reason: record.reason };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

/**
 * The data that passes between the loop, the planner and the executor, and the listing of machines that a pass starts
 * with.
 */

import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Machine, Provider } from "../../provider/provider.ts";
import type { BuilderRecord, SlotClaim } from "../state/record.ts";
import { withTimeLimit } from "./limit.ts";
import type { PoolPolicy } from "./policy.ts";

/** A record and the revision it was read at. A write that is decided on it carries this revision. */
export interface StoredBuilder {
  readonly record: BuilderRecord;
  readonly revision: number;
}

/** A place for one machine. A create claims one first, so that there are never more machines than slots. */
export interface Slot extends SlotClaim {
  readonly slot: number;
  readonly revision: number;
}

/** The pause after failures. */
export interface Backoff {
  /** Failures in a row; a builder that proves to work ends the row. */
  readonly failures: number;
  readonly lastFailureMs: number;
  /** No create before this time. */
  readonly untilMs: number;
  /** Reason of the last failure. */
  readonly reason: string;
  /** Present if the last failure was a limit of the provider. */
  readonly limit?: "quota" | "rate";
}

/** Kept from one pass to the next. Empty after a restart, so that every deadline starts again. */
export interface PassMemory {
  /**
   * Builders with a record and a machine that do not match (a recorded machine vanished, or a listed machine has no record),
   * each with the time of the listing that first showed it.
   */
  readonly suspects: ReadonlyMap<string, number>;
  /** When the provider was last asked to destroy the builder. */
  readonly destroyAskedMs: ReadonlyMap<string, number>;
  readonly backoff: Backoff;
}

/** Everything that a plan is made from. */
export interface Observation {
  readonly installation: string;
  /** Generation of the records. */
  readonly generation: string;
  /** When the listing was started; it cannot show later changes. */
  readonly observedAtMs: number;
  readonly complete: boolean;
  /** Why the listing is not complete; empty if it is. */
  readonly problem: string;
  readonly machines: readonly Machine[];
  readonly records: readonly StoredBuilder[];
  readonly slots: readonly Slot[];
  /** Builds that wait for a builder of this pool. */
  readonly waiting: number;
  /** Why an operator has drained the pool, a sentence for users; undefined while it is not drained. */
  readonly drained: string | undefined;
  /**
   * Since when the queue has received heartbeats without a break; undefined while it does not. Silence counts from
   * here.
   */
  readonly listeningSinceMs: number | undefined;
  readonly lastHeartbeatMs: ReadonlyMap<string, number>;
  readonly memory: PassMemory;
}

/**
 * Each action has a reason, a sentence for people. `revision` is the revision of the record that the plan decided on.
 */
export type Action =
  /** Claims the slot, writes the record, and asks the provider for a machine. */
  | { readonly kind: "create"; readonly slot: number; readonly reason: string }
  /** Notes that the provider lists the machine: a requested builder becomes booting, and its address is stored. */
  | {
      readonly kind: "noteMachine";
      readonly builder: string;
      readonly revision: number;
      readonly host: string;
      readonly reason: string;
    }
  | Destroy
  /** Destroys a machine of this installation and generation that has no record. */
  | { readonly kind: "destroyUnrecorded"; readonly builder: string; readonly reason: string }
  /** The machine is confirmed gone: closes the record, frees its slot, removes the record. */
  | { readonly kind: "gone"; readonly builder: string; readonly revision: number; readonly reason: string }
  /** Frees a slot without a record; its create stopped after the claim. */
  | { readonly kind: "freeSlot"; readonly slot: number; readonly revision: number; readonly reason: string }
  | Lost
  /** Logs a machine that only the operator may destroy. */
  | { readonly kind: "report"; readonly builder: string; readonly reason: string };

export interface Destroy {
  readonly kind: "destroy";
  readonly builder: string;
  readonly revision: number;
  /** False if no machine is listed: only the record changes its state. */
  readonly call: boolean;
  readonly reason: string;
  /** The machine did not work. Several of these in a row make the pool back off. */
  readonly failure: boolean;
}

/** A leased builder will not finish its build. Repeated in each pass until the queue releases the builder. */
interface Lost {
  readonly kind: "lost";
  readonly builder: string;
  readonly build: string;
  readonly reason: string;
}

export interface Plan {
  readonly actions: readonly Action[];
  readonly nextPassAtMs: number;
  /** Why the reserve is below its target or builds wait: a sentence for users. Empty if neither is so. */
  readonly reason: string;
  readonly memory: PassMemory;
}

export type ObservedMachines = Pick<Observation, "observedAtMs" | "complete" | "problem" | "machines">;

export interface ListingDependencies {
  readonly clock: Clock;
  readonly policy: PoolPolicy;
  readonly provider: Provider;
}

/**
 * Lists the provider's machines within `policy.callTimeoutMs`. Never throws: a failed listing is incomplete and has
 * `error`.
 */
export async function observeMachines(
  { clock, policy, provider }: ListingDependencies,
  signal: AbortSignal,
): Promise<ObservedMachines & { readonly error?: unknown }> {
  const limit = { clock, limitMs: policy.callTimeoutMs, signal, operation: "the listing" };
  const requestedAtMs = clock.nowMs();
  try {
    const listing = await withTimeLimit(limit, (callSignal) => provider.listMachines(callSignal));
    const { complete, machines, startedAtMs = requestedAtMs, problem = "the listing was cut short" } = listing;
    const observedAtMs = Math.min(startedAtMs, requestedAtMs);
    return { observedAtMs, complete, machines, problem: complete ? "" : problem };
  } catch (error) {
    return { observedAtMs: requestedAtMs, complete: false, machines: [], problem: messageOf(error), error };
  }
}

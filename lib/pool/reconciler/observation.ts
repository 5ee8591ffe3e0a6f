/** What a look sees and what a plan says: the types between the loop, the planner and execution. */

import type { Machine } from "../../provider/provider.ts";
import type { BuilderRecord, SlotClaim } from "../state/record.ts";
import type { Backoff } from "./backoff.ts";

/** A record and the revision it was read at; whoever decides by it writes with that revision. */
export interface StoredBuilder {
  readonly record: BuilderRecord;
  readonly revision: number;
}

/** A place in the pool: a create claims one first, so that there are never more machines than places. */
export interface Slot extends SlotClaim {
  readonly slot: number;
  readonly revision: number;
}

/** What one look hands to the next. Empty after a restart: then everything gets its full time again. */
export interface PassMemory {
  /** Builder ids out of place, known and vanished or unknown and there, each since the listing that first showed it. */
  readonly suspects: ReadonlyMap<string, number>;
  /** When the provider was last asked to destroy it. */
  readonly destroyAskedMs: ReadonlyMap<string, number>;
  readonly backoff: Backoff;
}

export interface Observation {
  readonly installation: string;
  /** Of the records. */
  readonly generation: string;
  /** When the listing was started: what changed later it cannot show. */
  readonly observedAtMs: number;
  readonly complete: boolean;
  /** Why the listing is not complete. */
  readonly problem: string;
  readonly machines: readonly Machine[];
  readonly records: readonly StoredBuilder[];
  readonly slots: readonly Slot[];
  /** Builds that wait for a builder of this pool. */
  readonly waiting: number;
  /** Since when questions are heard without a break; undefined while they are not. Silence counts only from here. */
  readonly listeningSinceMs: number | undefined;
  readonly lastHeartbeatMs: ReadonlyMap<string, number>;
  readonly memory: PassMemory;
}

/** Each with its reason, a sentence for people. `revision` is the one that was decided on. */
export type Action =
  /** Claim the slot, write the record, have the machine made. */
  | { readonly kind: "create"; readonly slot: number; readonly reason: string }
  /** The listing shows it: requested becomes booting, and the address is noted. */
  | {
      readonly kind: "see";
      readonly builder: string;
      readonly revision: number;
      readonly host: string;
      readonly reason: string;
    }
  | Destroy
  /** Of ours, but in no record. */
  | { readonly kind: "destroyUnknown"; readonly builder: string; readonly reason: string }
  /** Confirmed gone: close the record, free its slot, remove it. */
  | { readonly kind: "gone"; readonly builder: string; readonly revision: number; readonly reason: string }
  /** A claim without a record, from a create that never got further. */
  | { readonly kind: "freeSlot"; readonly slot: number; readonly revision: number; readonly reason: string }
  | Lost
  /** Nothing of ours to touch; the operator should know. */
  | { readonly kind: "report"; readonly builder: string; readonly reason: string };

export interface Destroy {
  readonly kind: "destroy";
  readonly builder: string;
  readonly revision: number;
  /** False when there is nothing to destroy: only the record moves on. */
  readonly call: boolean;
  readonly reason: string;
  /** The machine did not do what it was made for; such ones in a row make the pool back off. */
  readonly failure: boolean;
}

/** A leased builder will not finish its build. Said at each look until the queue releases it. */
interface Lost {
  readonly kind: "lost";
  readonly builder: string;
  readonly build: string;
  readonly reason: string;
}

export interface Plan {
  readonly actions: readonly Action[];
  readonly nextPassAtMs: number;
  /** Why the reserve is not at its target, or why builds wait: a sentence for the callers; empty when it is. */
  readonly reason: string;
  readonly memory: PassMemory;
}

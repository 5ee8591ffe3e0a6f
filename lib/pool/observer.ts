/** Receives the events of the pools, to count and to time them. It must not throw. */
import type { BuilderRecord } from "./state/record.ts";

export interface PoolObserver {
  /** A builder has entered another state; `before` is its previous record, absent for a new builder. */
  builderChanged(record: BuilderRecord, before?: BuilderRecord): void;
  /** A builder did not work and is destroyed. */
  builderFailed(pool: string): void;
  /** A pass of the reconciler is over. `complete`: the provider's listing was. */
  passDone(pool: string, complete: boolean): void;
}

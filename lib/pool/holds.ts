/** Operators hold builders for a look at them, and release them again. */
import type { Clock } from "../core/clock.ts";
import { CbError } from "../core/errors.ts";
import { type Hold, isHeld, isInService } from "./state/record.ts";
import type { RecordStore } from "./state/store.ts";
import { held, holdReleased } from "./state/transitions.ts";

export interface HoldsOptions {
  readonly store: RecordStore;
  readonly clock: Clock;
  /** Starts a pass, because a hold has changed. */
  readonly wake: (reason: string) => void;
}

export class Holds {
  readonly #options: HoldsOptions;

  constructor(options: HoldsOptions) {
    this.#options = options;
  }

  /**
   * From now on the builder gets no lease, and its machine is not destroyed until the end of the hold. A build that runs on it
   * goes on. Does nothing if there is no such builder. Throws CbError "usage" for one that is being destroyed, "infrastructure" without NATS.
   */
  async hold(builder: string, hold: Hold): Promise<void> {
    const { store, clock, wake } = this.#options;
    await store.change(builder, (record) => {
      const mayHold = isInService(record) || (record.state === "destroying" && isHeld(record, clock.nowMs()));
      if (mayHold) return held(record, hold);
      throw new CbError("usage", `builder ${builder} is being destroyed already: ${record.reason}`);
    });
    wake("a hold");
  }

  /** Does nothing if there is no such builder. Throws CbError "usage" for one that is not held, "infrastructure" without NATS. */
  async release(builder: string, operator: string): Promise<void> {
    const { store, clock, wake } = this.#options;
    await store.change(builder, (record) => {
      if (record.held === undefined) throw new CbError("usage", `builder ${builder} is not held`);
      return holdReleased(record, `the operator ${operator} has released it`, clock.nowMs());
    });
    wake("the end of a hold");
  }
}
